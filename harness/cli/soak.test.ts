import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { REQUIREMENTS } from '../../suites/requirements.ts';
import { drawRounds, readRounds } from '../../suites/soak/nemesis.ts';
import { CAPABILITIES } from '../config/capabilities.ts';
import { loadSoakPlan } from '../config/soak-plan.ts';
import { minimized } from '../core/ddmin.ts';
import { refusalOf } from '../core/fixtures/refusal.ts';
import { seededRandom } from '../core/random.ts';
import type { HistoryRecord } from '../record/history.ts';
import { buildResult } from '../report/build.ts';
import { soakHistory } from '../report/fixtures/soak-history.ts';
import { soakSentence } from '../report/format.ts';
import { renderMarkdown } from '../report/markdown.ts';
import { applyRecord, emptyState, liveLines } from './progress.ts';
import { summaryLines } from './summary.ts';

const plain = (_style: string, text: string): string => text;
const soak = (outcome: 'conformant' | 'violation' | 'inconclusive', change = (record: HistoryRecord) => record) =>
  buildResult([...soakHistory({ outcome })].map(change), { complete: true, requirements: REQUIREMENTS });

/** As a soak ends that did not get to its final reads. */
const unread = (record: HistoryRecord): HistoryRecord => {
  if (record.type !== 'case-finished') return record;
  const { readAtEnd: _read, whileRedisAway: _away, failedWhileRedisAway: _failed, ...evidence } = record.evidence;
  return { ...record, evidence };
};

describe('what is said of a soak', () => {
  test('is what it found, or that it found nothing, in how much', () => {
    expect(soakSentence(soak('conformant'))).toBe(
      'The soak found nothing lost, undone or back from deletion among 900 files, all read at the end; 6,000 operations, 3,600 accepted writes, 60 disruptions and aims, 60 faults of 12 kinds; during outages of Redis alone, 0 of 800 operations failed.',
    );
    expect(soakSentence(soak('violation'))).toMatch(/found 1 lost, 1 back from deletion among 900 files/);
  });

  test('is said of one that is inconclusive, too: in the table of its faults as well', () => {
    const result = soak('inconclusive');
    expect(soakSentence(result)).toMatch(/found nothing lost, undone or back from deletion among 900 files/);
    expect(result.faultKinds.map(({ lost }) => lost)).toEqual(result.faultKinds.map(() => 0));
  });

  test('claims nothing where files were not read at the end, and Redis was not judged', () => {
    const result = soak('inconclusive', unread);
    expect(soakSentence(result)).toMatch(/did not get to look for losses.*was not judged\.$/);
    expect(result.faultKinds.map(({ lost }) => lost)).toEqual(result.faultKinds.map(() => null));
  });

  test('is on the closing screen and in the summary, without a word of tiers that were not judged', () => {
    const result = soak('conformant');
    const lines = summaryLines(result, { report: 'index.html' }, plain);
    expect(lines).toContain(soakSentence(result));
    expect(lines.filter((line) => line.startsWith('Tiers:'))).toEqual([
      'Tiers:   not judged: no MUST of theirs was selected',
    ]);
    expect(lines.some((line) => /^memory of redis .* at start, .* at most, .* at end$/.test(line))).toBe(true);
    expect(lines.filter((line) => line.startsWith('Redis killed'))).toEqual([]);
    const markdown = renderMarkdown(result);
    expect(markdown).toContain('nothing lost, undone or back from deletion among 900 files');
    expect(markdown).not.toMatch(/partial/);
    for (const title of ['Faults by kind', 'Availability', 'Memory']) expect(markdown).toContain(`### ${title}\n`);
    // A line per kind, not per fault.
    expect(markdown.split('\n').filter((line) => line.startsWith('| redis-killed')).length).toBe(1);
  });
});

describe('the status line of a soak', () => {
  const CASE = { case: 'SOAK-01' } as const;
  const state = emptyState();
  const now = (records: readonly HistoryRecord[], at: number): string | undefined => {
    for (const record of records) applyRecord(state, record, plain);
    return liveLines(state, at, plain)[0];
  };
  const history = [...soakHistory({ operations: 1200, faults: 6 })];
  const until = (from: number, to: number) => history.filter(({ at }) => at >= from && at < to);
  const fault = history.find((record) => record.type === 'fault' && record.event === 'effective');

  test('has time left, operations so far, the fault that is on and losses so far', () => {
    if (fault?.type !== 'fault') throw new Error('nothing is broken');
    const line = now(until(0, fault.at + 1), fault.at + 1) ?? '';
    expect(line).toMatch(
      /^run {2}SOAK-01 \d+\.\d s {2}[\d.]+ s left {2}round 1 of 6 {2}\d+ operations {2}nothing lost/,
    );
    expect(line.endsWith(`  ${fault.kind}`)).toBe(true);
  });

  test('tells what was never seen, and what was found', () => {
    const seen = {
      op: 'x',
      fileId: 'f',
      kind: 'created',
      phase: 'soak',
      intendedAt: 1,
      acceptedAt: 2,
      missAt: 3,
    } as const;
    const line = now(
      [
        { type: 'visibility', ...CASE, ...seen, at: 60_000, hitAt: null },
        { type: 'finding', ...CASE, at: 60_000, checker: 'lost', message: 'f is lost' },
      ],
      60_000,
    );
    expect(line).toMatch(/1 of \d+ followed uploads never seen, 1 findings so far/);
  });

  test('says when all is healed and only the files are left to compare', () => {
    const over = { type: 'round', ...CASE, at: 61_000, round: 6, of: 6, event: 'ended' } as const;
    expect(now([over], 63_000)).toMatch(/all healed, comparing every file/);
  });
});

const folder = mkdtempSync(join(tmpdir(), 'syncproof-soak-'));
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

  test('cannot ask for unknown faults', () => {
    const rounds = [{ pauseMs: 0, disruptions: [{ name: 'redis-kiled', startMs: 0, holdMs: 1 }] }];
    expect(refusalOf(() => readRounds(rounds))).toMatch(/redis-killed,.* got redis-kiled/);
  });
});
