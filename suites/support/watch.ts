import { setInterval } from 'node:timers/promises';
import { monotonicMs } from '../../harness/index.ts';

const EVERY_MS = 50;

/**
 * Looks again and again for `ms`, for what must not happen; what a look throws ends it.
 * @returns how often it looked
 */
export async function watchFor(ms: number, look: () => Promise<void>, signal: AbortSignal): Promise<number> {
  const untilMs = monotonicMs() + ms;
  await look();
  let looks = 1;
  for await (const _tick of setInterval(EVERY_MS, undefined, { signal })) {
    await look();
    looks++;
    if (monotonicMs() >= untilMs) break;
  }
  return looks;
}
