import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { caseFinished, caseStarted, runFinished } from '../check/fixtures/records.ts';
import { WrittenHistory } from '../check/fixtures/written-history.ts';
import type { HistoryRecord } from '../record/history.ts';
import { soakHistory } from '../report/fixtures/soak-history.ts';

const MAIN = join(import.meta.dirname, '../../harness/cli/main.ts');
let path = '';

beforeAll(async () => {
  path = join(await mkdtemp(join(tmpdir(), 'syncproof-recheck-')), 'history.jsonl');
});
afterAll(() => rm(join(path, '..'), { recursive: true }));

async function recheck(text: string): Promise<{ exitCode: number; output: string }> {
  await writeFile(path, text);
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, 'recheck', path], (error, stdout, stderr) =>
      resolve({ exitCode: error === null ? 0 : Number(error.code), output: stdout + stderr }),
    );
  });
}

const lines = (records: readonly HistoryRecord[]): string[] => records.map((record) => JSON.stringify(record));
const text = (all: readonly string[]): string => all.map((line) => `${line}\n`).join('');

/** A soak is checked file by file from the history's file, a small case from memory. */
const SOAK = lines([...soakHistory({ operations: 400, faults: 5 })]);
const small = (history: WrittenHistory): string[] =>
  lines([
    caseStarted('CASE-01', { at: 0 }),
    ...history.records,
    caseFinished('CASE-01', 'pass', { at: 9999 }),
    runFinished(10_000),
  ]);
const SMALL = small(new WrittenHistory().upload('f').read('f', null));

describe.each([
  ['a soak', SOAK],
  ['a small case', SMALL],
])('the history of %s', (_, whole) => {
  test('that is whole and holds is 0', async () => {
    const { exitCode, output } = await recheck(text(whole));
    expect(output).toContain('0 findings');
    expect(output).not.toContain('not whole');
    expect(exitCode).toBe(0);
  });

  test('without its end is 2, and says which line is the last', async () => {
    const { exitCode, output } = await recheck(text(whole.slice(0, -1)));
    expect(output).toContain(`history.jsonl:${whole.length - 1} is the last line, and none says that the run ended`);
    expect(exitCode).toBe(2);
  });

  test('without the end of a case is 2, and says on which line that begins', async () => {
    const without = whole.filter((line) => !line.includes('"case-finished"'));
    const began = without.findIndex((line) => line.includes('"case-started"')) + 1;
    const { exitCode, output } = await recheck(text(without));
    expect(output).toMatch(new RegExp(`history\\.jsonl:${began} begins \\S+, and no line says how it ended`));
    expect(exitCode).toBe(2);
  });

  test('with a torn last line is 2, and names that line', async () => {
    const { exitCode, output } = await recheck(text(whole).slice(0, -9));
    expect(output).toContain(`history.jsonl:${whole.length} is torn`);
    expect(exitCode).toBe(2);
  });

  test('with a broken line in the middle is 2, names that line, and is checked up to it', async () => {
    const broken = whole.with(3, `${whole[3]?.slice(0, 20)}`);
    const { exitCode, output } = await recheck(text(broken));
    expect(output).toContain('history.jsonl:4 is no record');
    expect(output).toContain('no verdict');
    expect(exitCode).toBe(2);
  });

  test('with a blank line counts it', async () => {
    const { exitCode, output } = await recheck(text(['', ...whole.slice(0, -1)]));
    expect(output).toContain(`history.jsonl:${whole.length} is the last line`);
    expect(exitCode).toBe(2);
  });
});

test('a finding outranks a torn history', async () => {
  const history = new WrittenHistory().upload('f');
  const lost = small(history.finals('f', null, null));
  expect((await recheck(text(lost))).exitCode).toBe(1);
  const torn = await recheck(text(lost).slice(0, -5));
  expect(torn).toMatchObject({ exitCode: 1, output: expect.stringContaining('is torn') });
});

test('an empty history is 2: it says nothing of any run', async () => {
  expect((await recheck('')).exitCode).toBe(2);
});

test('a whole history without a case is a mistake of who asks', async () => {
  const { exitCode, output } = await recheck(text([SOAK.at(-1) ?? '']));
  expect(output).toContain('at least one case');
  expect(exitCode).toBe(4);
});
