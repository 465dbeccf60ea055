import { setTimeout as sleep } from 'node:timers/promises';

export interface BackoffOptions {
  /** First pause. */
  ms: number;
  /** Pauses double up to this; equal to `ms` for a constant pause. */
  msMax: number;
}

/** Pause before the try after the `failures`-th failure in a row: doubled per failure, with ±20 % jitter, in ms. */
export function backoffMs(failures: number, { ms, msMax }: BackoffOptions): number {
  const pause = Math.min(ms * 2 ** Math.min(Math.max(failures - 1, 0), 20), msMax);
  return pause * (0.8 + Math.random() * 0.4);
}

/** Waits; ends early, without an error, when the signal aborts. Not at all when `ms` is not positive. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted || ms <= 0) return;
  try {
    await sleep(ms, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** Trying again does not help. */
export class PermanentError extends Error {
  override readonly name: string = 'PermanentError';
}

/**
 * Tries `attempt` until it succeeds or the signal aborts; each failure is reported to `onFailure`.
 * @throws the signal's reason when it aborts, and a PermanentError of the attempt
 */
export async function retryUntilDone<T>(
  attempt: () => Promise<T>,
  options: BackoffOptions & { signal: AbortSignal; onFailure: (error: unknown, failures: number) => void },
): Promise<T> {
  for (let failures = 1; ; failures++) {
    options.signal.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      options.signal.throwIfAborted();
      if (error instanceof PermanentError) throw error;
      options.onFailure(error, failures);
    }
    await pause(backoffMs(failures, options), options.signal);
  }
}

/**
 * Gives the promise's outcome, or rejects after `ms`. The work itself continues: for waits whose result is no longer
 * needed.
 * @throws TimeoutError
 */
export async function within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new TimeoutError(`${what} took longer than ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, expired]);
  } finally {
    clearTimeout(timer);
  }
}

/** Whether the work succeeds within `ms`. */
export async function succeeds(ms: number, what: string, work: Promise<unknown>): Promise<boolean> {
  try {
    await within(ms, what, work);
    return true;
  } catch {
    return false;
  }
}

/** Calls that overlap share one: all get its outcome. */
export function shared<T>(work: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | undefined;
  return () => {
    running ??= work().finally(() => {
      running = undefined;
    });
    return running;
  };
}

export class TimeoutError extends Error {
  override readonly name = 'TimeoutError';
}
