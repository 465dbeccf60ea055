import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { caseFinished, caseStarted, runFinished } from '../check/fixtures/records.ts';
import { WrittenHistory } from '../check/fixtures/written-history.ts';
import type { HistoryRecord } from '../record/history.ts';
import { soakHistory } from '../report/fixtures/soak-history.ts';
import { syncproof, temporaryFolder } from './fixtures/syncproof.ts';

async function check(text: string): Promise<{ code: number; output: string }> {
  const path = join(await temporaryFolder(), 'history.jsonl');
  await writeFile(path, text);
  const { code, stdout, stderr } = await syncproof(['report', '--check', path]);
  return { code, output: stdout + stderr };
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
    const { code, output } = await check(text(whole));
    expect(output).toContain('0 findings');
    expect(output).not.toContain('not whole');
    expect(code).toBe(0);
  });

  test('without its end is 2, and says which line is the last', async () => {
    const { code, output } = await check(text(whole.slice(0, -1)));
    expect(output).toContain(`history.jsonl:${whole.length - 1} is the last line, and none says that the run ended`);
    expect(code).toBe(2);
  });

  test('without the end of a case is 2, and says on which line that begins', async () => {
    const without = whole.filter((line) => !line.includes('"case-finished"'));
    const began = without.findIndex((line) => line.includes('"case-started"')) + 1;
    const { code, output } = await check(text(without));
    expect(output).toMatch(new RegExp(`history\\.jsonl:${began} begins \\S+, and no line says how it ended`));
    expect(code).toBe(2);
  });

  test('with a torn last line is 2, and names that line', async () => {
    const { code, output } = await check(text(whole).slice(0, -9));
    expect(output).toContain(`history.jsonl:${whole.length} is torn`);
    expect(code).toBe(2);
  });

  test('with a broken line in the middle is 2, names that line, and is checked up to it', async () => {
    const broken = whole.with(3, `${whole[3]?.slice(0, 20)}`);
    const { code, output } = await check(text(broken));
    expect(output).toContain('history.jsonl:4 is no record');
    expect(output).toContain('no verdict');
    expect(code).toBe(2);
  });

  test('with a blank line counts it', async () => {
    const { code, output } = await check(text(['', ...whole.slice(0, -1)]));
    expect(output).toContain(`history.jsonl:${whole.length} is the last line`);
    expect(code).toBe(2);
  });
});

test('a finding outranks a torn history', async () => {
  const history = new WrittenHistory().upload('f');
  const lost = small(history.finals('f', null, null));
  expect((await check(text(lost))).code).toBe(1);
  const torn = await check(text(lost).slice(0, -5));
  expect(torn).toMatchObject({ code: 1, output: expect.stringContaining('is torn') });
});

test('an empty history is 2: it says nothing of any run', async () => {
  expect((await check('')).code).toBe(2);
});

test('a whole history without a case is a mistake of who asks', async () => {
  const { code, output } = await check(text([SOAK.at(-1) ?? '']));
  expect(output).toContain('at least one case');
  expect(code).toBe(4);
});

test('`recheck`, as it was called, gives the same of a history and of its folder, and says its new name', async () => {
  const folder = await temporaryFolder();
  const path = join(folder, 'history.jsonl');
  const history = new WrittenHistory().upload('f');
  await writeFile(path, text(small(history.finals('f', null, null))));
  const now = await syncproof(['report', '--check', path, '--json']);
  const before = await syncproof(['recheck', path, '--json']);
  expect(before).toEqual({ ...now, stderr: '`syncproof recheck` is now `syncproof report --check`\n' });
  expect(now).toMatchObject({ code: 1, stderr: '' });
  expect(JSON.parse(now.stdout)).toMatchObject({ history: path, cases: [{ case: 'CASE-01', verdict: 'pass' }] });
  expect(await syncproof(['recheck', folder, '--json'])).toEqual(before);
  expect(await syncproof(['report', '--check', folder, '--json'])).toEqual(now);
  // Nothing but the history is there: neither of them writes.
  expect(await readdir(folder)).toEqual(['history.jsonl']);
});

test('a folder without a history is a usage error that names it', async () => {
  const folder = await temporaryFolder();
  const { code, stderr } = await syncproof(['report', '--check', folder]);
  expect(stderr).toContain(`history.jsonl, got ${folder}`);
  expect(code).toBe(4);
});
