import type { HistoryRecord, Visibility } from '../record/history.ts';

/** One measured duration in ms: the true value is in (low, high]; `low` null means unbounded below, `high` null censored. */
export interface Interval {
  lowMs: number | null;
  highMs: number | null;
}

/** A figure known up to an interval; both null when it cannot be given, `reason` saying why a bound is missing. */
interface Quantile extends Interval {
  reason?: string;
}

interface Distribution {
  /** Samples, censored ones included. */
  n: number;
  censored: number;
  p50: Quantile;
  p95: Quantile;
  p99: Quantile;
  max: Quantile;
  /**
   * Median width of the intervals that ended: half of the samples are known at least this well. About a tenth of the
   * latency, until so many writes wait at once that the cap on reads per second sets it (`VisibilityTracker`).
   */
  resolutionMs: number | null;
  /** Width of the widest. */
  resolutionMsMax: number | null;
}

/** Fewest samples that let a quantile mean something: below these the figure would be one outlier's. */
function samplesNeeded(fraction: number): number {
  if (fraction <= 0.5 || fraction >= 1) return 1;
  if (fraction <= 0.95) return 20;
  return fraction <= 0.99 ? 100 : 1000;
}

/**
 * A quantile by nearest rank, separately over lower and upper bounds, so that the interval holds the true one. Censored
 * samples count as infinite above. `fraction` 1 is the maximum.
 */
export function quantileOf(intervals: readonly Interval[], fraction: number): Quantile {
  return quantileOfSorted(sortedBounds(intervals), fraction);
}

/** Lower and upper bounds of intervals, each ascending; a missing upper one is infinite. */
interface SortedBounds {
  lows: Float64Array;
  highs: Float64Array;
}

function sortedBounds(intervals: readonly Interval[]): SortedBounds {
  return {
    lows: Float64Array.from(intervals, ({ lowMs }) => lowMs ?? 0).sort(),
    highs: Float64Array.from(intervals, ({ highMs }) => highMs ?? Number.POSITIVE_INFINITY).sort(),
  };
}

function quantileOfSorted({ lows, highs }: SortedBounds, fraction: number): Quantile {
  const needed = samplesNeeded(fraction);
  if (lows.length < needed) return { lowMs: null, highMs: null, reason: `n < ${needed}` };
  const rank = nearestRank(lows.length, fraction);
  const lowMs = round(lows[rank] ?? 0);
  const highMs = highs[rank] ?? Number.POSITIVE_INFINITY;
  if (highMs === Number.POSITIVE_INFINITY) return { lowMs, highMs: null, reason: 'among censored' };
  return { lowMs, highMs: round(highMs) };
}

/** Percentiles with their sample counts and the resolution that they were measured with. */
export function summarize(intervals: readonly Interval[]): Distribution {
  const bounds = sortedBounds(intervals);
  const widths = Float64Array.from(
    intervals.flatMap(({ lowMs, highMs }) => (highMs === null ? [] : [highMs - (lowMs ?? 0)])),
  ).sort();
  const median = widths[nearestRank(widths.length, 0.5)];
  const widest = widths.at(-1);
  return {
    n: intervals.length,
    censored: intervals.length - widths.length,
    p50: quantileOfSorted(bounds, 0.5),
    p95: quantileOfSorted(bounds, 0.95),
    p99: quantileOfSorted(bounds, 0.99),
    max: quantileOfSorted(bounds, 1),
    resolutionMs: median === undefined ? null : round(median),
    resolutionMsMax: widest === undefined ? null : round(widest),
  };
}

/** From where a latency counts: when the load meant to send the write, or when the target acknowledged it. */
export type LatencyBasis = 'intended' | 'accepted';

/** Sync latency of one watched write. */
export function syncLatency(sample: Visibility, basis: LatencyBasis): Interval {
  const from = basis === 'intended' ? sample.intendedAt : sample.acceptedAt;
  const since = (at: number | null): number | null => (at === null ? null : round(Math.max(0, at - from)));
  return { lowMs: since(sample.missAt), highMs: since(sample.hitAt) };
}

export function visibilitySamples(records: readonly HistoryRecord[]): Visibility[] {
  return records.filter((record) => record.type === 'visibility');
}

/** To the microsecond: finer is the clock's noise. */
export function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

function nearestRank(n: number, fraction: number): number {
  return Math.max(0, Math.ceil(fraction * n) - 1);
}
