import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { UsageError } from '../core/errors.ts';
import type { HistoryRecord, Verdict } from '../record/history.ts';
import { fault as faultOf } from './fixtures/records.ts';
import { WrittenHistory } from './fixtures/written-history.ts';
import {
  availabilityOf,
  evaluateThreshold,
  exitCodeOf,
  judgeRun,
  parseThreshold,
  quantileOf,
  recoveries,
  summarize,
} from './index.ts';

const exactly = (ms: number) => ({ lowMs: ms, highMs: ms });
const upTo = (n: number): number[] => Array.from({ length: n }, (_, index) => index + 1);

describe('percentiles', () => {
  test('are those of the nearest rank', () => {
    const { n, p50, p95, p99, max } = summarize(upTo(200).map(exactly));
    expect({ n, p50, p95, p99, max }).toEqual({
      n: 200,
      p50: exactly(100),
      p95: exactly(190),
      p99: exactly(198),
      max: exactly(200),
    });
  });

  test.each([
    [0, { p50: null, p95: null, p99: null, max: null }],
    [1, { p50: 1, p95: null, p99: null, max: 1 }],
    [19, { p50: 10, p95: null, p99: null, max: 19 }],
    [20, { p50: 10, p95: 19, p99: null, max: 20 }],
    [99, { p50: 50, p95: 95, p99: null, max: 99 }],
    [100, { p50: 50, p95: 95, p99: 99, max: 100 }],
  ])('of %i samples are given only where they mean something', (n, expected) => {
    const { p50, p95, p99, max } = summarize(upTo(n).map(exactly));
    expect({ p50: p50.highMs, p95: p95.highMs, p99: p99.highMs, max: max.highMs }).toEqual(expected);
    if (n < 100) expect(p99.reason).toBe('n < 100');
  });

  test('censored samples count as infinite, unbounded ones as zero', () => {
    const summary = summarize([
      { lowMs: null, highMs: 4 },
      { lowMs: 5, highMs: 6 },
      { lowMs: 900, highMs: null },
    ]);
    expect(summary).toMatchObject({
      n: 3,
      censored: 1,
      p50: { lowMs: 5, highMs: 6 },
      resolutionMs: 1,
      resolutionMsMax: 4,
    });
    expect(summary.max).toEqual({ lowMs: 900, highMs: null, reason: 'among censored' });
  });

  test('hold the true value, whatever the intervals around the samples are', () => {
    const sample = fc.tuple(fc.nat(1000), fc.nat(50), fc.integer({ min: 0, max: 50 }));
    fc.assert(
      fc.property(fc.array(sample, { minLength: 20 }), fc.constantFrom(0.5, 0.9, 0.95, 1), (samples, fraction) => {
        const truth =
          quantileOf(
            samples.map(([ms]) => exactly(ms)),
            fraction,
          ).highMs ?? Number.NaN;
        const { lowMs, highMs } = quantileOf(
          samples.map(([ms, below, above]) => ({ lowMs: ms - below, highMs: ms + above })),
          fraction,
        );
        expect(lowMs).toBeLessThanOrEqual(truth);
        expect(highMs).toBeGreaterThanOrEqual(truth);
      }),
    );
  });
});

/** Writes that became visible after these many ms; null for never. Intended at 0, accepted 2 ms later. */
function visible(delaysMs: readonly (number | null)[], { phase = 'baseline', widthMs = 0 } = {}): HistoryRecord[] {
  return delaysMs.map((ms, index) => ({
    type: 'visibility',
    at: 20_000,
    case: 'LAT-01',
    op: `${index}`,
    fileId: `${index}`,
    kind: 'created',
    phase,
    intendedAt: 0,
    acceptedAt: 2,
    missAt: ms === null ? 20_000 : ms - widthMs,
    hitAt: ms,
  }));
}

/** A fault that is effective at 1000 and healed at 2000, with the marks that are given. */
function fault(kind: string, marks: { detected?: number; applied?: number; drained?: number } = {}): HistoryRecord[] {
  const names = { detected: 'fault-detected', applied: 'first-applied', drained: 'backlog-drained' } as const;
  return [
    ...faultOf({ fault: kind, kind, case: 'CASE-01', from: 1000, to: 2000, witness: 'PING refused' }),
    ...Object.entries(marks).map(
      ([name, at]): HistoryRecord => ({
        type: 'mark',
        name: names[name as keyof typeof names],
        fault: kind,
        case: 'CASE-01',
        at,
      }),
    ),
  ];
}

describe('thresholds', () => {
  const verdictOf = (expression: string, records: readonly HistoryRecord[]): string =>
    evaluateThreshold(parseThreshold(expression), records).verdict;
  const SYNC = 'sync_latency{phase=baseline}: p(95)<500ms n>=200';

  test('are read as they are written', () => {
    expect(parseThreshold(SYNC)).toEqual({
      expression: SYNC,
      metric: 'sync_latency',
      labels: { phase: 'baseline' },
      limits: [{ text: 'p(95)<500ms', fraction: 0.95, inclusive: false, limitMs: 500 }],
      samplesMin: 200,
    });
    expect(parseThreshold(' recovery { fault = redis-killed , target=redis } : max <= 10s, n > 2 ')).toMatchObject({
      labels: { fault: 'redis-killed', target: 'redis' },
      limits: [{ text: 'max<=10s', fraction: 1, inclusive: true, limitMs: 10_000 }],
      samplesMin: 3,
    });
    expect(parseThreshold('accepted_latency: p(50)<250us p(99.9)<1.5min').limits.map(({ limitMs }) => limitMs)).toEqual(
      [0.25, 90_000],
    );
  });

  test.each([
    ['', '""'],
    ['sync_latency', '"sync_latency"'],
    ['speed: max<1s', '"speed"'],
    ['sync_latency{colour=red}: max<1s', '"colour"'],
    ['sync_latency{phase}: max<1s', '"phase"'],
    ['sync_latency{phase=}: max<1s', '"phase="'],
    ['sync_latency: max<1', '"max<1"'],
    ['sync_latency: max>1s', '"max>1s"'],
    ['sync_latency: p95<1s', '"p95<1s"'],
    ['sync_latency: p(0)<1s', '"p(0)<1s"'],
    ['sync_latency: p(101)<1s', '"p(101)<1s"'],
    ['sync_latency: max<1s n>=many', '"n>=many"'],
    ['sync_latency: n>=200', '"n>=200"'],
  ])('that cannot be read are the user’s mistake: %j', (expression, got) => {
    expect(() => parseThreshold(expression)).toThrow(UsageError);
    expect(() => parseThreshold(expression)).toThrow(`threshold "${expression}"`);
    expect(() => parseThreshold(expression)).toThrow(got);
  });

  test('pass, or fail, on enough samples', () => {
    expect(verdictOf(SYNC, visible(upTo(200)))).toBe('pass');
    expect(verdictOf(SYNC, visible(upTo(200).map((ms) => ms * 3)))).toBe('fail');
  });

  test('never pass without samples, or with fewer than asked for, however good or bad they are', () => {
    expect(verdictOf('sync_latency: max<500ms', [])).toBe('inconclusive');
    expect(verdictOf(SYNC, visible(upTo(199)))).toBe('inconclusive');
    expect(verdictOf(SYNC, visible(upTo(199).map((ms) => ms * 9)))).toBe('inconclusive');
    expect(verdictOf(SYNC, visible(upTo(200), { phase: 'outage' }))).toBe('inconclusive');
    expect(verdictOf('sync_latency: p(99)<500ms', visible(upTo(99)))).toBe('inconclusive');
    expect(verdictOf('sync_latency: max<500ms n>=0', [])).toBe('inconclusive');
  });

  test('what was never seen breaks them', () => {
    expect(verdictOf('sync_latency: max<10s', visible([1, 2, null]))).toBe('fail');
    expect(verdictOf('sync_latency: p(50)<10s', visible([1, 2, null]))).toBe('pass');
  });

  test('a measurement that is too coarse tells nothing', () => {
    expect(verdictOf('sync_latency: max<500ms', visible([550], { widthMs: 100 }))).toBe('inconclusive');
    expect(verdictOf('sync_latency: max<500ms', visible([650], { widthMs: 100 }))).toBe('fail');
    expect(verdictOf('sync_latency: max<500ms', visible([499], { widthMs: 100 }))).toBe('pass');
  });

  test('at the limit, only an inclusive one is kept', () => {
    expect(verdictOf('sync_latency: max<500ms', visible([500]))).toBe('fail');
    expect(verdictOf('sync_latency: max<=500ms', visible([500]))).toBe('pass');
    expect(verdictOf('accepted_latency: max<=498ms', visible([500]))).toBe('pass');
  });

  test('of faults hold against the fault’s own times', () => {
    const killed = fault('redis-killed', { detected: 1200, applied: 2050, drained: 2900 });
    expect(verdictOf('recovery{fault=redis-killed}: max<10s', killed)).toBe('pass');
    expect(verdictOf('recovery{fault=redis-killed}: max<900ms', killed)).toBe('fail');
    expect(verdictOf('detection: max<=200ms', killed)).toBe('pass');
    expect(verdictOf('first_success: max<50ms', killed)).toBe('fail');
    expect(verdictOf('recovery{fault=redis-paused}: max<10s', killed)).toBe('inconclusive');
    const both = [...killed, ...fault('redis-paused')];
    expect(verdictOf('recovery: max<10s', both)).toBe('inconclusive');
    expect(verdictOf('recovery: max<1ms', both)).toBe('fail');
  });
});

test('the availability of a kind is its share of ok, in total and while a fault was on', () => {
  const history = new WrittenHistory();
  for (const outcome of ['ok', 'ok', 'fail', 'unknown'] as const) history.upload('f', outcome);
  const late = { intendedAt: 1500 };
  history.act('upload', { outcome: 'unknown', invoke: late }).act('upload', { invoke: late });
  history.act('upload', { outcome: 'fail', invoke: late, end: { status: 413 } });
  history.act('upload', { outcome: 'unknown', invoke: { intendedAt: 1500, case: 'CASE-02' } });
  history.act('search');
  const records = [...history.records, ...fault('redis-killed')];
  expect(availabilityOf(records)).toEqual([
    {
      kind: 'upload',
      total: { n: 8, ok: 3, refused: 1, failed: 1, unknown: 3, okShare: 3 / 8 },
      duringFaults: { n: 3, ok: 1, refused: 1, failed: 0, unknown: 1, okShare: 1 / 3 },
    },
    {
      kind: 'search',
      total: { n: 1, ok: 1, refused: 0, failed: 0, unknown: 0, okShare: 1 },
      duringFaults: { n: 0, ok: 0, refused: 0, failed: 0, unknown: 0, okShare: null },
    },
  ]);
  expect(availabilityOf(records, ({ target }) => target === 'query')[0]?.duringFaults.okShare).toBeNull();
});

test('a fault’s recovery has its times, and its losses', () => {
  const lost: HistoryRecord = {
    type: 'finding',
    checker: 'lost',
    fileId: 'f',
    message: 'gone',
    case: 'CASE-01',
    at: 3000,
  };
  const killed = fault('redis-killed', { detected: 1200, applied: 2050, drained: 2900 });
  const records = [...new WrittenHistory().upload('f').records, ...killed, lost];
  expect(recoveries(records)).toMatchObject([
    { effectiveAt: 1000, healedAt: 2000, detectedMs: 200, firstSuccessAfterMs: 50, backlogDrainedMs: 900, losses: 1 },
  ]);
  expect(recoveries(fault('redis-killed'))).toMatchObject([
    { detectedMs: null, firstSuccessAfterMs: null, backlogDrainedMs: null, losses: 0 },
  ]);
});

test.each<[Verdict[], number]>([
  [['pass', 'xfail'], 0],
  [['pass', 'fail', 'error', 'inconclusive'], 1],
  [['xpass', 'error'], 1],
  [['pass', 'inconclusive'], 2],
  [['pass', 'skip'], 2],
  [['pass', 'flaky'], 2],
  [[], 4],
  [['inconclusive', 'error'], 5],
])('the exit code of %j is %i', (verdicts, exitCode) => {
  expect(exitCodeOf(verdicts)).toBe(exitCode);
});

test('a run that could not reach its target says so, unless it had seen a violation', () => {
  const failure = { kind: 'unreachable', reason: 'no redis-server' } as const;
  expect(judgeRun({ verdicts: ['error'], failure })).toEqual({ verdict: 'unreachable', exitCode: 3 });
  expect(judgeRun({ verdicts: ['fail'], failure }).exitCode).toBe(1);
  expect(judgeRun({ verdicts: ['pass'], unexpectedFindings: 1 }).exitCode).toBe(1);
  expect(judgeRun({ verdicts: ['pass'], interrupted: true }).exitCode).toBe(2);
});
