import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { broken } from '../../harness/check/fixtures/records.ts';
import { InconclusiveError } from '../../harness/core/errors.ts';
import { openHistory } from '../../harness/record/writer.ts';
import { createdIn } from '../runner/client.ts';
import { demandInTime, demandNoOutage, operationsOf, type SeenOperation, whileRedisAlone } from './no-outage.ts';

const due = (dueAt: number, outcome: SeenOperation['outcome'] = 'ok'): SeenOperation => ({
  op: `op-${dueAt}`,
  kind: 'update',
  fileId: 'f-1',
  dueAt,
  outcome,
  error: outcome === 'ok' ? undefined : 'timeout',
});
const REDIS = broken('redis-killed', 100_000, 106_000, { round: 9 });
/** 60 operations, ten a second, during a Redis outage; the one due at `failing` fails. */
const during = (...failing: number[]): SeenOperation[] =>
  Array.from({ length: 60 }, (_, i) => 100_050 + i * 100).map((at) => due(at, failing.includes(at) ? 'unknown' : 'ok'));

describe('operations during an outage of Redis alone', () => {
  test('are those that were due between its request and its healing', async () => {
    const operations = [due(99_999), due(100_000), due(106_000), due(106_001)];
    expect(await whileRedisAlone(operations, [REDIS])).toMatchObject({ whileRedisAway: 2, failed: 0 });
  });

  test('accuse by name: which operation, due when, and what was broken around it', async () => {
    const before = broken('postgres-killed', 80_000, 92_000, { round: 8 });
    const after = broken('query-killed', 109_500, 110_000, { round: 10 });
    const found = await whileRedisAlone(during(101_050), [before, REDIS, after]);
    expect(found).toMatchObject({ whileRedisAway: 60, failed: 1 });
    expect(found.told).toEqual([
      'update op-101050 of f-1, due at 101.05 s: unknown (timeout); around it: redis-killed (round 9) on for 1.05 s, query-killed (round 10) 8.45 s later, postgres-killed (round 8) over for 9.05 s',
    ]);
    expect(() => demandNoOutage(found)).toThrow(/1 of 60 operations failed.*at most 0 may.*op-101050/);
  });

  test('may fail one in a thousand, not two', async () => {
    const many = (failing: number): SeenOperation[] =>
      Array.from({ length: 1000 }, (_, i) => due(100_000 + i, i < failing ? 'fail' : 'ok'));
    const [one, two] = await Promise.all([whileRedisAlone(many(1), [REDIS]), whileRedisAlone(many(2), [REDIS])]);
    expect(() => demandNoOutage(one)).not.toThrow();
    expect(() => demandNoOutage(two)).toThrow(/2 of 1000/);
  });

  test.each([
    [
      '2.1 s after connections to PostgreSQL became half-open',
      broken('postgres-forgotten', 96_000, 98_900, { lingersMs: 12_000 }),
    ],
    [
      '11.9 s after, for as long as they may stay unnoticed',
      broken('postgres-forgotten', 88_000, 89_100, { lingersMs: 12_000 }),
    ],
    ['1.9 s after PostgreSQL recovered', broken('postgres-killed', 96_000, 99_150)],
    ['while a service is down, too', broken('admin-killed', 100_500, 102_000)],
    ['just before something else breaks', broken('admin-killed', 102_900, 104_000)],
    ['beside a fault that was begun and never observed', broken('query-paused', 100_900, 105_000, { seen: false })],
    ['beside one of Redis that was never observed', broken('redis-paused', 100_900, 105_000, { seen: false })],
    ['in an aim', broken('emptied-unread', 100_100, 105_000)],
  ])('attribute no failure to the target %s', async (_, other) => {
    const found = await whileRedisAlone(during(101_050), [REDIS, other]);
    expect(found.failed).toBe(0);
    expect(found.whileRedisAway).toBeLessThan(60);
  });

  test.each([
    ['2.1 s after PostgreSQL recovered', broken('postgres-killed', 90_000, 98_900)],
    ['12.1 s after connections became half-open', broken('postgres-forgotten', 80_000, 88_900, { lingersMs: 12_000 })],
    ['more than 2 s before something else breaks', broken('admin-killed', 103_100, 104_000)],
  ])('accuse Redis of what fails %s', async (_, other) => {
    expect((await whileRedisAlone(during(101_050), [REDIS, other])).failed).toBe(1);
  });

  test('are none when no Redis outage was observed', async () => {
    const unseen = { ...REDIS, seen: false };
    expect(await whileRedisAlone(during(101_050), [unseen])).toMatchObject({ whileRedisAway: 0, failed: 0 });
    expect(await whileRedisAlone(during(), [])).toMatchObject({ whileRedisAway: 0 });
  });

  test('count once under two faults of Redis, and are found among many faults', async () => {
    const second = broken('redis-delayed', 101_000, 102_000, { round: 9 });
    expect((await whileRedisAlone(during(101_050), [REDIS, second])).whileRedisAway).toBe(60);
    const many = Array.from({ length: 1000 }, (_, i) => broken('redis-paused', i * 1000, i * 1000 + 400));
    const operations = Array.from({ length: 10_000 }, (_, i) => due(i * 100, i % 10 === 3 ? 'fail' : 'ok'));
    // Of each second, those due at 0, 100, 200, 300 and 400 ms.
    expect(await whileRedisAlone(operations, many)).toMatchObject({ whileRedisAway: 5000, failed: 1000 });
  });
});

test('a late load is reported before a failure is attributed to the target, with that failure as its cause', () => {
  expect(() => demandInTime(3000, 250)).not.toThrow();
  expect(() => demandInTime(3001, 250)).toThrow(InconclusiveError);
  expect(() => demandInTime(4200, 250, new Error('f-1 is not alike'))).toThrow(
    expect.objectContaining({
      message: expect.stringMatching(/4200 ms after it was due.*lower --rate/),
      cause: expect.objectContaining({ message: 'f-1 is not alike' }),
    }),
  );
});

test('the operations of a case are read from its history, joined and in the order of their ends', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'no-outage-'));
  await using _ = { [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
  const path = join(folder, 'history.jsonl');
  using history = openHistory(path, 0);
  const recorder = history.forCase('SOAK-01');
  // Of an earlier try.
  recorder.record({ type: 'invoke', op: '0', kind: 'upload', intendedAt: 1, at: 1 });
  recorder.record({ type: 'ok', op: '0', kind: 'upload', fileId: 'z', at: 2 });
  recorder.record({ type: 'invoke', op: '1', kind: 'upload', intendedAt: 5, at: 6 });
  recorder.record({ type: 'invoke', op: '2', kind: 'read', fileId: 'b', intendedAt: 7, at: 8 });
  history.forCase('OTHER').record({ type: 'invoke', op: '3', kind: 'read', intendedAt: 7, at: 8 });
  recorder.record({ type: 'fail', op: '2', kind: 'read', fileId: 'b', at: 9, status: 503 });
  recorder.record({ type: 'ok', op: '1', kind: 'upload', fileId: 'a', at: 10 });
  recorder.record({ type: 'invoke', op: '4', kind: 'read', intendedAt: 11, at: 11 });
  recorder.record({ type: 'ok', op: '5', kind: 'register', fileId: 'c', at: 12 });
  recorder.record({ type: 'ok', op: '6', kind: 'update', fileId: 'd', at: 12 });
  history.forCase('OTHER').record({ type: 'ok', op: '7', kind: 'register', fileId: 'e', at: 12 });
  recorder.record({ type: 'unknown', op: '8', kind: 'upload', at: 12 });
  expect(await createdIn(path, 'SOAK-01', 3)).toEqual(['a', 'c']);
  const read: SeenOperation[] = [];
  for await (const operation of operationsOf(path, 'SOAK-01', 3)) read.push(operation);
  expect(read).toEqual([
    { op: '2', kind: 'read', fileId: 'b', dueAt: 7, outcome: 'fail', status: 503 },
    { op: '1', kind: 'upload', fileId: 'a', dueAt: 5, outcome: 'ok' },
  ]);
});
