import { setTimeout as sleep } from 'node:timers/promises';
import { DeadlineError, monotonicMs, pollUntil } from '../../harness/index.ts';
import { Violation } from './violation.ts';

interface HoldOptions {
  /** What must not happen, for the error. */
  what: string;
  forMs: number;
  everyMs?: number;
  signal: AbortSignal;
}

/**
 * Watches that something does not happen: the only way to see that is to look for a while.
 * @param broken gives what happened, in words, or nothing while all is well; what it throws ends the watch
 * @returns how often it looked
 * @throws Violation with what happened
 */
export async function holds(
  broken: () => Promise<unknown>,
  { what, forMs, everyMs = 100, signal }: HoldOptions,
): Promise<number> {
  const startedAt = monotonicMs();
  let looks = 0;
  // A probe that throws is tried again: what it threw goes past the poll.
  let thrown: { error: unknown } | undefined;
  await pollUntil(
    async () => {
      looks++;
      try {
        const happened = await broken();
        if (typeof happened === 'string') throw new Violation(`${what}: ${happened}`);
      } catch (error) {
        thrown = { error };
        return true;
      }
      return monotonicMs() - startedAt >= forMs ? true : undefined;
    },
    { what, timeoutMs: 2 * forMs + 10_000, intervalMs: everyMs, growth: 1, signal },
  ).catch((error: unknown) => {
    if (!(error instanceof DeadlineError)) throw error;
  });
  if (thrown !== undefined) throw thrown.error;
  return looks;
}

const INTERVAL_MS = 100;

/** Looks again and again for `ms`: for what must not happen for a while. What `look` throws ends it. */
export async function stays(ms: number, signal: AbortSignal, look: () => Promise<void>): Promise<void> {
  const until = monotonicMs() + ms;
  for (;;) {
    const last = monotonicMs() >= until;
    await look();
    if (last) return;
    await sleep(INTERVAL_MS, undefined, { signal });
  }
}
