import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import type { FileState, HistoryRecord } from '../record/history.ts';
import { checkFile } from '../report/check-file.ts';
import { fileState, WrittenHistory } from './fixtures/written-history.ts';
import { HistoryPartition, PARTS_MAX, runCheckers, unreadFiles } from './index.ts';

/** What happens to one file, by a client that does one thing at a time, and a read model that lags behind. */
interface Life {
  updates: readonly { outcome: 'ok' | 'unknown'; happened: boolean }[];
  deletion: 'none' | 'ok' | 'happened' | 'lost on the way';
  /** How far the read model has come, at each read between the writes: a share of what has happened so far. */
  lags: readonly number[];
  /** Whether the registry shows what it has marked as deleted. */
  marks: boolean;
}

const life: fc.Arbitrary<Life> = fc.record({
  updates: fc.array(
    fc
      .record({ outcome: fc.constantFrom('ok', 'ok', 'unknown'), happened: fc.boolean() })
      .map((update) => ({ ...update, happened: update.outcome === 'ok' || update.happened })),
    { maxLength: 6 },
  ),
  deletion: fc.constantFrom('none', 'none', 'ok', 'happened', 'lost on the way'),
  lags: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 5 }),
  marks: fc.boolean(),
});

/** A live file that was updated at least twice, a deleted one that was seen before, and some others. */
const lives = fc.tuple(life, life, fc.array(life, { maxLength: 4 })).map(([live, deleted, others]): Life[] => [
  {
    ...live,
    deletion: 'none',
    updates: [...live.updates, { outcome: 'ok', happened: true }, { outcome: 'ok', happened: true }],
  },
  { ...deleted, deletion: 'ok' },
  ...others,
]);

interface Lived {
  fileId: string;
  /** What it was in turn; `null` when it was deleted. */
  states: (FileState | null)[];
  marks: boolean;
}

/** Plays all lives on one time axis; `shown` says what the final read by id gives, where it is not the truth. */
function play(
  all: readonly Life[],
  shown: ReadonlyMap<string, FileState | null> = new Map(),
): [WrittenHistory, Lived[]] {
  const history = new WrittenHistory();
  const lived = all.map((each, index): Lived => live(history, `file-${index}`, each));
  for (const file of lived) {
    const last = file.states.at(-1) ?? null;
    const marked = file.marks ? fileState(file.fileId, file.states.length) : null;
    const readModel = shown.get(file.fileId);
    history.finals(file.fileId, last ?? marked, readModel === undefined ? last : readModel);
  }
  return [history, lived];
}

function live(history: WrittenHistory, fileId: string, { updates, deletion, lags, marks }: Life): Lived {
  history.register(fileId);
  const states: (FileState | null)[] = [fileState(fileId, 1)];
  // 0 is "not there yet"; the read model never goes back.
  let applied = 0;
  const read = (turn: number): void => {
    applied = Math.max(applied, Math.round((lags[turn % lags.length] ?? 1) * states.length));
    history.read(fileId, applied === 0 ? null : (states[applied - 1] ?? null));
  };
  read(0);
  for (const [index, { outcome, happened }] of updates.entries()) {
    const version = states.length + 1;
    history.update(fileId, version, outcome);
    if (happened) states.push(fileState(fileId, version));
    read(index + 1);
  }
  if (deletion !== 'none') {
    history.remove(fileId, deletion === 'ok' ? 'ok' : 'unknown');
    if (deletion !== 'lost on the way') states.push(null);
    read(updates.length + 1);
  }
  return { fileId, states, marks };
}

const LIVE = 'file-0';
const DELETED = 'file-1';

/** Plays lives with one defect in them, and gives the history and the file that shows it. */
const DEFECTS: Record<string, (all: readonly Life[], nth: number) => [WrittenHistory, string]> = {
  lost: (all) => [play(all, new Map([[LIVE, null]]))[0], LIVE],
  phantom: (all, nth) => {
    const [history] = play(all);
    const status = [401, 403, 413, 422][nth % 4] ?? 422;
    history.register('ghost', 'fail', { status });
    return [nth % 2 === 0 ? history.search(['ghost']) : history.read('ghost', fileState('ghost', 1)), 'ghost'];
  },
  resurrected: (all, nth) => {
    if (nth % 2 === 0) return [play(all, new Map([[DELETED, fileState(DELETED, 1)]]))[0], DELETED];
    const [history] = play(all.with(1, { ...(all[1] as Life), lags: [1] }));
    const back = fileState(DELETED, 1 + (all[1]?.updates.filter(({ happened }) => happened).length ?? 0));
    return [history.read(DELETED, back).read(DELETED, null), DELETED];
  },
  vanished: (all) => {
    const [history, [file]] = play(all);
    return [history.read(LIVE, null).read(LIVE, file?.states.at(-1) ?? null), LIVE];
  },
  duplicated: (all, nth) => [play(all)[0].search(nth % 2 === 0 ? [LIVE, LIVE] : [LIVE, 'other', LIVE]), LIVE],
  stale: (all, nth) => {
    const [history, [file]] = play(all);
    const acknowledged =
      all[0]?.updates.filter(({ happened }) => happened).map(({ outcome }) => outcome === 'ok') ?? [];
    // Where a write is unknown, only what the registry told has a place in time.
    const told = file?.states.slice(0, -1).filter((_, index) => index === 0 || acknowledged[index - 1]) ?? [];
    return [history.read(LIVE, told[nth % told.length] ?? null), LIVE];
  },
  diverged: (all, nth) => {
    const [, [file]] = play(all);
    const truth = file?.states.at(-1) ?? fileState(LIVE, 1);
    const changes: Partial<FileState>[] = [
      { filename: 'x' },
      { fileSize: 2 },
      { checksum: 'x' },
      { tags: ['a'] },
      { description: null },
      { contentType: 'x' },
    ];
    return [play(all, new Map([[LIVE, { ...truth, ...changes[nth % changes.length] }]]))[0], LIVE];
  },
};

test('no checker finds anything where nothing is wrong', () => {
  fc.assert(
    fc.property(lives, (all) => {
      expect(runCheckers(play(all)[0].records)).toEqual([]);
    }),
    { numRuns: 300 },
  );
});

test.each(Object.entries(DEFECTS))('one planted defect is found, by the right checker alone: %s', (checker, plant) => {
  fc.assert(
    fc.property(lives, fc.nat(100), (all, nth) => {
      const [{ records }, fileId] = plant(all, nth);
      expect(runCheckers(records).map((finding) => [finding.checker, finding.fileId])).toEqual([[checker, fileId]]);
    }),
    { numRuns: 200 },
  );
});

test('findings do not depend on the order in which records were written', () => {
  fc.assert(
    fc.property(
      lives,
      fc.constantFrom(...Object.keys(DEFECTS)),
      fc.nat(100),
      fc.infiniteStream(fc.nat()),
      (all, name, nth, picks) => {
        const [{ records }] = DEFECTS[name]?.(all, nth) ?? [new WrittenHistory()];
        const shuffled = records.map((record) => ({ record, key: picks.next().value ?? 0 }));
        const mixed = shuffled.sort((a, b) => a.key - b.key).map(({ record }) => record);
        expect(runCheckers(mixed)).toEqual(runCheckers(records));
      },
    ),
  );
});

test('findings are the same when a history is checked in parts', () => {
  fc.assert(
    fc.property(
      lives,
      fc.constantFrom(...Object.keys(DEFECTS)),
      fc.nat(100),
      fc.integer({ min: 1, max: PARTS_MAX }),
      (all, name, nth, count) => {
        const [{ records }] = DEFECTS[name]?.(all, nth) ?? [new WrittenHistory()];
        const findings = inParts(records, count).flatMap((part) => runCheckers(part));
        expect(asSet(findings)).toEqual(asSet(runCheckers(records)));
      },
    ),
  );
});

/** What checkers say of it does not depend on the part that it is found in, nor on how many times. */
const asSet = (findings: readonly unknown[]): Set<string> => new Set(findings.map((each) => JSON.stringify(each)));

function inParts(records: readonly HistoryRecord[], count: number): HistoryRecord[][] {
  const partition = new HistoryPartition(count);
  for (const record of records) partition.learn(record);
  partition.forgetUnfinished();
  const parts: HistoryRecord[][] = Array.from({ length: count }, () => []);
  const placed = records.flatMap((record) => partition.place(record) ?? []);
  for (const each of [...placed, ...partition.unfinished()]) {
    for (const index of each.parts) parts[index]?.push(...each.records);
  }
  return parts;
}

test('a history file is checked case by case, in parts that are gone afterwards', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'syncproof-parts-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const history = new WrittenHistory();
  for (let i = 0; i < 50; i++) history.upload(`file-${i}`).finals(`file-${i}`, fileState(`file-${i}`, 1));
  history.upload('unread').act('upload').search(['file-1', 'file-1']).register('begun');
  history.read('file-7', null);
  // Another case's defect is not this one's.
  const other = new WrittenHistory().upload('file-1').finals('file-1', null).records;
  const all = [...history.records, ...other.map((record) => ({ ...record, case: 'CASE-02' }))];
  const path = join(folder, 'history.jsonl');
  writeFileSync(path, all.map((record) => `${JSON.stringify(record)}\n`).join(''));
  const whole = { findings: asSet(runCheckers(history.records)), unread: unreadFiles(history.records) };
  for (const partBytes of [1, 4000, 1e9]) {
    const { findings, unread } = await checkFile(path, 'CASE-01', { partBytes });
    expect({ findings: asSet(findings), unread: unread.toSorted() }).toEqual({
      ...whole,
      unread: whole.unread.toSorted(),
    });
  }
  expect(whole.findings.size).toBe(2);
  expect(whole.unread).toHaveLength(3);
  expect(readdirSync(folder)).toEqual(['history.jsonl']);
});
