import { setTimeout as sleep } from 'node:timers/promises';
import { DeadlineError, monotonicMs, type PollOptions, pollUntil, UnreachableError } from '../../harness/index.ts';
import { Violation } from './violation.ts';

type Probe<T> = Parameters<typeof pollUntil<T>>[0];

/**
 * Waits for something that the requirement promises within a time: until `awaited`, a probe as of `pollUntil`, gives
 * something, or until a wait in progress ends. A passed deadline is then the target's fault, not the harness's.
 * @throws Violation saying what was promised
 */
export async function eventually<T>(what: string, awaited: Promise<T>): Promise<T>;
export async function eventually<T>(what: string, awaited: Probe<T>, options: Omit<PollOptions, 'what'>): Promise<T>;
export async function eventually<T>(
  what: string,
  awaited: Promise<T> | Probe<T>,
  options: Omit<PollOptions, 'what'> = { timeoutMs: 0 },
): Promise<T> {
  try {
    return await (typeof awaited === 'function' ? pollUntil(awaited, { what, ...options }) : awaited);
  } catch (error) {
    if (error instanceof DeadlineError || error instanceof UnreachableError) {
      const { message } = error;
      throw new Violation(message.includes(what) ? message : `${what}: ${message}`, { cause: error });
    }
    throw error;
  }
}

/**
 * Looks again and again for `forMs`, the last time after it: the only way to see that something does not happen.
 * @param look what it throws ends the watch
 * @returns how often it looked
 */
export async function consistently(
  look: () => Promise<void>,
  { forMs, everyMs = 100, signal }: { forMs: number; everyMs?: number; signal: AbortSignal },
): Promise<number> {
  const until = monotonicMs() + forMs;
  for (let looks = 1; ; looks++) {
    const last = monotonicMs() >= until;
    await look();
    if (last) return looks;
    await sleep(everyMs, undefined, { signal });
  }
}
