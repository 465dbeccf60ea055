import { setTimeout as sleep } from 'node:timers/promises';
import { monotonicMs } from '../../harness/index.ts';

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
