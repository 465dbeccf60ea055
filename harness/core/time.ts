import { setTimeout as sleep } from 'node:timers/promises';
import { DeadlineError, describeError } from './errors.ts';

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

export interface PollOptions {
  /** What is awaited, for the error: "every upload searchable". */
  what: string;
  /** The wait fails after this time. */
  timeoutMs: number;
  /** First pause between probes. */
  intervalMs?: number;
  /** Each pause is this much longer than the one before … */
  growth?: number;
  /** … up to this. */
  intervalMsMax?: number;
  signal?: AbortSignal;
}

/**
 * Calls `probe` until it returns something other than `undefined`, and returns that.
 * A probe that throws counts as "not yet"; its error becomes the cause when the deadline passes.
 * @throws DeadlineError with what was awaited and the last probe error
 */
export async function pollUntil<T>(
  probe: (signal: AbortSignal) => Promise<T | undefined> | T | undefined,
  { what, timeoutMs, intervalMs = 20, growth = 1.3, intervalMsMax = 250, signal }: PollOptions,
): Promise<T> {
  const startedAt = monotonicMs();
  const expired = AbortSignal.timeout(timeoutMs);
  const bounded = signal === undefined ? expired : AbortSignal.any([signal, expired]);
  let pauseMs = intervalMs;
  let lastError: unknown;
  for (;;) {
    signal?.throwIfAborted();
    try {
      const value = await probe(bounded);
      if (value !== undefined) return value;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    const leftMs = timeoutMs - (monotonicMs() - startedAt);
    if (leftMs <= 0 || expired.aborted) {
      signal?.throwIfAborted();
      const last = lastError === undefined ? '' : `; last probe: ${describeError(lastError)}`;
      throw new DeadlineError(`Waited ${timeoutMs} ms for ${what}${last}`, { cause: lastError, facts: { timeoutMs } });
    }
    await sleep(Math.min(pauseMs, leftMs), undefined, signal === undefined ? {} : { signal });
    pauseMs = Math.min(pauseMs * growth, intervalMsMax);
  }
}

/**
 * Calls `probe` until it does not throw.
 * @throws DeadlineError with what was awaited and the last probe error
 */
export async function untilAnswers(probe: () => Promise<unknown>, options: PollOptions): Promise<void> {
  await pollUntil(() => probe().then(() => true), options);
}

/**
 * The result of `work`, unless `signal` aborts first: then it is no longer awaited.
 * @throws the signal's reason
 */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
