import type { Distribution, Quantile } from './result.ts';

/** One measured duration in ms: the true value is in (low, high]; `low` null means unbounded below, `high` null censored. */
export interface Span {
  lowMs: number | null;
  highMs: number | null;
}

/** Fewest samples that let a quantile mean something: below these the figure would be one outlier's. */
const SAMPLES_MIN = { p50: 1, p95: 20, p99: 100 };

/** Quantiles by nearest rank, separately over lower and upper bounds, so each is an interval that holds the true one. */
export function distributionOf(spans: readonly Span[]): Distribution {
  const lows = spans.map(({ lowMs }) => lowMs ?? 0).sort(ascending);
  const highs = spans.map(({ highMs }) => highMs ?? Number.POSITIVE_INFINITY).sort(ascending);
  const quantile = (fraction: number, samplesMin: number): Quantile => {
    const n = spans.length;
    if (n < samplesMin) return { lowMs: null, highMs: null, reason: `n < ${samplesMin}` };
    const index = Math.max(0, Math.ceil(fraction * n) - 1);
    const lowMs = round(lows[index] ?? 0);
    const high = highs[index] ?? Number.POSITIVE_INFINITY;
    if (high === Number.POSITIVE_INFINITY) return { lowMs, highMs: null, reason: 'among censored' };
    return { lowMs, highMs: round(high) };
  };
  const widths = spans.flatMap(({ lowMs, highMs }) => (highMs === null ? [] : [highMs - (lowMs ?? 0)])).sort(ascending);
  const median = widths[Math.ceil(widths.length / 2) - 1];
  return {
    n: spans.length,
    censored: spans.filter(({ highMs }) => highMs === null).length,
    p50: quantile(0.5, SAMPLES_MIN.p50),
    p95: quantile(0.95, SAMPLES_MIN.p95),
    p99: quantile(0.99, SAMPLES_MIN.p99),
    max: quantile(1, 1),
    resolutionMs: median === undefined ? null : round(median),
  };
}

/** To the microsecond: finer is the clock's noise. */
export function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

const ascending = (a: number, b: number): number => a - b;
