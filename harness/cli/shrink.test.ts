import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { drawRounds, readRounds } from '../../suites/soak/nemesis.ts';
import { CAPABILITIES } from '../config/capabilities.ts';
import { loadSoakPlan } from '../config/soak-plan.ts';
import { minimized } from '../core/ddmin.ts';
import { refusalOf } from '../core/fixtures/refusal.ts';
import { seededRandom } from '../core/random.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncproof-shrink-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('a list that fails', () => {
  test('is reduced to what it takes to fail, in its order, wherever that stands', async () => {
    const lists = fc
      .integer({ min: 1, max: 40 })
      .chain((length) =>
        fc.tuple(fc.constant(length), fc.uniqueArray(fc.nat({ max: length - 1 }), { minLength: 1, maxLength: 4 })),
      );
    await fc.assert(
      fc.asyncProperty(lists, async ([length, culprits]) => {
        const items = Array.from({ length }, (_, i) => i);
        const fails = async (some: readonly number[]) => culprits.every((culprit) => some.includes(culprit));
        expect(await minimized(items, fails)).toEqual(culprits.toSorted((a, b) => a - b));
      }),
    );
  });

  test('stays as it is when nothing smaller fails, and is not asked about twice', async () => {
    const asked: string[] = [];
    const never = async (some: readonly string[]) => {
      asked.push(some.join());
      return false;
    };
    expect(await minimized(['a', 'b', 'c', 'd'], never)).toEqual(['a', 'b', 'c', 'd']);
    expect(new Set(asked).size).toBe(asked.length);
    expect(await minimized(['a'], never)).toEqual(['a']);
  });
});

describe('the plan of a soak', () => {
  const written = (text: string): string => {
    const path = join(folder, `${Math.random().toString(16).slice(2)}.json`);
    writeFileSync(path, text);
    return path;
  };

  test('is read as it was written', () => {
    const rounds = drawRounds(seededRandom(7), new Set(CAPABILITIES.keys()), 60_000);
    const plan = { seed: 7, ratePerSecond: 15, rounds };
    const read = loadSoakPlan(written(JSON.stringify(plan)));
    expect(read).toEqual(plan);
    expect(readRounds(read.rounds)).toEqual(rounds);
  });

  test.each([
    ['no JSON', '{', [/--plan/]],
    ['no rounds', '{"seed":1,"ratePerSecond":5,"rounds":[]}', [/no plan of a soak/, /rounds/]],
    ['another key', '{"seed":1,"ratePerSecond":5,"minutes":3,"rounds":[]}', [/minutes/]],
    ['a time before the start', '{"seed":1,"ratePerSecond":5,"rounds":[{"pauseMs":-1,"disruptions":[]}]}', [/pauseMs/]],
  ])('that is none says what is wrong: %s', (_what, text, says) => {
    const path = written(text);
    const problem = refusalOf(() => loadSoakPlan(path));
    for (const part of [...says, path]) expect(problem).toMatch(part);
  });

  test('cannot ask for what nobody knows how to break', () => {
    const rounds = [{ pauseMs: 0, disruptions: [{ name: 'redis-kiled', startMs: 0, holdMs: 1 }] }];
    expect(refusalOf(() => readRounds(rounds))).toMatch(/redis-killed,.* got redis-kiled/);
  });
});
