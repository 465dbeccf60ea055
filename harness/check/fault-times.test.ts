import { describe, expect, test } from 'vitest';
import { seededRandom } from '../core/random.ts';
import type { HistoryRecord } from '../record/history.ts';
import { buildResult } from '../report/build.ts';
import { soakHistory } from '../report/fixtures/soak-history.ts';
import { broken, fault as faultOf } from './fixtures/records.ts';
import { FaultTimes, faultTimes, faultWindows, phaseOf, recoveries } from './index.ts';

/** A fault that was asked for 10 ms before it was seen. */
const fault = (id: string, planted: Omit<Parameters<typeof faultOf>[0], 'fault'>): HistoryRecord[] =>
  faultOf({ fault: id, case: 'SOAK-01', ...planted });

const ids = (windows: readonly { id: string }[]): string[] => windows.map(({ id }) => id).sort();

describe('faults by time', () => {
  const times = (...records: HistoryRecord[][]): FaultTimes => new FaultTimes(faultWindows(records.flat()));

  test('are on from when they were seen until they were healed, and near from the request until 2 s after', () => {
    const one = times(fault('a', { from: 1000, to: 3000 }));
    const at = (when: number) => [ids(one.at(when).on), ids(one.at(when).near)];
    expect([989, 990, 999].map(at)).toEqual([
      [[], []],
      [[], ['a']],
      [[], ['a']],
    ]);
    expect([1000, 2999].map(at)).toEqual([
      [['a'], ['a']],
      [['a'], ['a']],
    ]);
    expect([3000, 4999, 5000].map(at)).toEqual([
      [[], ['a']],
      [[], ['a']],
      [[], []],
    ]);
  });

  test('overlap, and one that never healed stays', () => {
    const two = times(fault('a', { from: 1000, to: 3000 }), fault('b', { from: 2000 }));
    expect(ids(two.at(2500).on)).toEqual(['a', 'b']);
    expect(ids(two.at(1e9).on)).toEqual(['b']);
    expect(ids(two.at(4000).near)).toEqual(['a', 'b']);
  });

  test('are never on where no witness saw them, but near', () => {
    const unseen = times(fault('a', { from: 1000, unwitnessed: true }));
    expect([unseen.at(1500).on, ids(unseen.at(1500).near), unseen.at(3000).near]).toEqual([[], ['a'], []]);
  });

  test('linger as long as their round says, and know their round', () => {
    const forgotten = broken('postgres-forgotten', 980, 1020, { round: 7, lingersMs: 12_000 });
    const records: HistoryRecord[] = [
      { type: 'round', case: 'SOAK-01', at: 900, round: 7, of: 9, event: 'began' },
      ...fault('a', { from: 1000, to: 1001 }),
      { type: 'round', case: 'SOAK-01', at: 1030, round: 7, of: 9, event: 'ended', broken: [forgotten] },
    ];
    expect(faultWindows(records)).toMatchObject([{ round: 7, lingersMs: 12_000 }]);
    expect(ids(times(records).at(13_000).near)).toEqual(['a']);
    expect(times(records).at(13_001).near).toEqual([]);
  });

  test('say the same as looking at each of them', () => {
    const random = seededRandom(11);
    const records = Array.from({ length: 200 }, (_, i) => {
      const from = random.integer(0, 100_000);
      return fault(String(i), { from, to: from + random.integer(0, 3000) });
    }).flat();
    const windows = faultWindows(records);
    const index = new FaultTimes(windows);
    for (let i = 0; i < 2000; i++) {
      const at = random.integer(-100, 110_000);
      const on = windows.filter(({ fromAt, toAt = 0 }) => at >= fromAt && at < toAt);
      expect(ids(index.at(at).on)).toEqual(ids(on));
      const until = at + random.integer(0, 500);
      const touched = windows.some(({ fromAt, toAt = 0 }) => fromAt < toAt && fromAt <= until && toAt > at);
      expect(index.isOnBetween(at, until)).toBe(touched);
    }
  });
});

describe('the phase of a watched write', () => {
  const times = new FaultTimes(faultWindows(fault('a', { from: 1000, to: 3000 })));
  test.each([
    ['seen before anything was broken', 900, 950, 'baseline'],
    ['due before a fault that delayed it', 985, 3050, 'outage'],
    ['due in a fault', 1500, 3050, 'outage'],
    ['seen although a fault was on', 1500, 1510, 'outage'],
    ['due while a fault was asked for, and seen before it took effect', 991, 999, 'recovery'],
    ['due when it had just been healed', 3000, 3010, 'recovery'],
    ['due when all was over', 5000, 5010, 'baseline'],
    ['never seen, and watched into a fault', 100, null, 'outage'],
  ])('%s', (_, intendedAt, hitAt, phase) => {
    expect(phaseOf(times, { intendedAt, hitAt, at: hitAt ?? 60_000 })).toBe(phase);
  });
});

test('recovery counts from healing to the first answer of yes to a write', () => {
  const write = (op: string, at: number, endAt: number, type: 'ok' | 'unknown'): HistoryRecord[] => [
    { type: 'invoke', case: 'SOAK-01', op, kind: 'update', fileId: 'f', at, intendedAt: at },
    { type, case: 'SOAK-01', op, kind: 'update', fileId: 'f', at: endAt },
  ];
  const records = [
    ...fault('a', { from: 1000, to: 3000 }),
    ...write('1', 1500, 2900, 'ok'),
    ...write('2', 2000, 3100, 'unknown'),
    ...write('3', 2500, 3240, 'ok'),
    ...write('4', 3250, 3260, 'ok'),
  ];
  expect(recoveries(records)).toMatchObject([{ writesAgainMs: 240 }]);
});

describe('the report of a soak', () => {
  const records = [...soakHistory({ operations: 12_000, faults: 120 })];
  const result = buildResult(records, { complete: true });

  test('says of each fault what its round was planned as', () => {
    expect(result.faults.length).toBeGreaterThan(10);
    for (const { round, plannedAs } of result.faults) expect(plannedAs).toEqual([`planned-${round}`]);
  });

  test('groups operations by what was broken when they were due', () => {
    const share = (kind: string, scope: string) =>
      result.availability.find((each) => each.kind === kind && each.scope === scope);
    expect(result.availability.map(({ kind }) => kind).filter((_, i) => i % 3 === 0)).toEqual([
      ...['upload', 'update', 'delete', 'read', 'search'],
    ]);
    for (const kind of ['upload', 'update', 'delete', 'read', 'search']) {
      expect(share(kind, 'outside')?.availability).toBe(1);
      expect(share(kind, 'during')?.availability).toBeLessThan(0.9);
      expect(share(kind, 'near')?.n).toBeGreaterThan(100);
    }
    // What is due after the last round is no load: it looks what came of it.
    const overAt = records.findLast((record) => record.type === 'round')?.at ?? 0;
    const due = records.filter((record) => record.type === 'invoke' && record.intendedAt <= overAt).length;
    expect(due).toBeLessThan(12_000);
    expect(result.availability.reduce((sum, { n }) => sum + n, 0)).toBe(due);
  });

  test('tells kinds of faults apart: what each does to writes and reads, alone', () => {
    const kind = (name: string) => result.faultKinds.find((each) => each.kind === name);
    expect(result.faultKinds.reduce((sum, { count }) => sum + count, 0)).toBe(120);
    expect(kind('redis-killed')).toMatchObject({ writesAlone: { availability: 1 }, readsAlone: { availability: 1 } });
    expect(kind('query-killed')).toMatchObject({ writesAlone: { availability: 1 }, lost: 0, resurrected: 0 });
    expect(kind('query-killed')?.readsAlone.availability).toBeLessThan(0.9);
    expect(kind('admin-killed')?.writesAlone.availability).toBeLessThan(0.9);
    expect(kind('admin-killed')?.recoveryMedianMs).toBeGreaterThan(10);
    expect(kind('admin-killed')?.recoverySlowestMs).toBeLessThan(1000);
  });

  test('charges each loss to the fault before it', () => {
    const violated = buildResult([...soakHistory({ operations: 12_000, faults: 120, outcome: 'violation' })], {
      complete: true,
    });
    const total = (of: 'lost' | 'resurrected') => violated.faultKinds.reduce((sum, each) => sum + (each[of] ?? 0), 0);
    expect([total('lost'), total('resurrected')]).toEqual([1, 1]);
  });

  test('has the phases of its samples from its faults, and the round of each', () => {
    expect(new Set(result.latency.samples.map(({ phase }) => phase))).toEqual(
      new Set(['baseline', 'outage', 'recovery']),
    );
    expect(result.faults.map(({ round }) => round)).toEqual(Array.from({ length: 120 }, (_, i) => i + 1));
  });

  test('takes time in the number of operations and not in that of operations times faults', () => {
    const records = [...soakHistory({ operations: 100_000, faults: 2000, ratePerSecond: 250 })];
    const startedAt = process.cpuUsage();
    expect(buildResult(records, { complete: true }).faults).toHaveLength(2000);
    const { user, system } = process.cpuUsage(startedAt);
    // Some 0.7 s; each operation held against each fault takes ten times as long.
    expect((user + system) / 1e6).toBeLessThan(4);
  });

  test('knows its faults by case', () => {
    expect([...faultTimes([...soakHistory({ operations: 400, faults: 5 })]).keys()]).toEqual(['SOAK-01']);
  });
});
