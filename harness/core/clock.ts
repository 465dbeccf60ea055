/**
 * Milliseconds (fractional) on the machine's monotonic clock. On one machine the value is comparable
 * between processes, so records written by several workers share one time axis.
 */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** The wall clock in milliseconds, with the sub-millisecond resolution `Date.now()` lacks. */
export function wallMs(): number {
  return performance.timeOrigin + performance.now();
}
