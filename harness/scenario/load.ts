import { setTimeout as sleep } from 'node:timers/promises';
import type { Recorder } from '../record/writer.ts';

export interface OpenLoopOptions {
  recorder: Recorder;
  ratePerSecond: number;
  /** Ends after this many; without it, when stopped. */
  count?: number;
  /** More than this many at once wait, and are timed from when they were due all the same. */
  inFlightMax?: number;
  signal?: AbortSignal;
  /** One operation. `dueAt` is run time: latency counts from it, whenever the operation could really start. */
  act: (index: number, dueAt: number) => Promise<void>;
}

export interface OpenLoop {
  /** No further operation starts; settles as `done` does, when those in flight have ended. */
  stop(): Promise<void>;
  /** Resolves when all have ended; rejects with the first error that `act` threw, which also ends the load. */
  done: Promise<void>;
}

/**
 * Starts operations at a steady rate, whether or not earlier ones have ended (an open loop): a target that stalls makes
 * later operations late instead of making them rare. Due times are absolute, so what a timer loses is caught up.
 */
export function startOpenLoop(options: OpenLoopOptions): OpenLoop {
  const { recorder, ratePerSecond, count = Number.POSITIVE_INFINITY, inFlightMax = 2000, signal } = options;
  const stopping = new AbortController();
  const ended = signal === undefined ? stopping.signal : AbortSignal.any([signal, stopping.signal]);
  const inFlight = new Set<Promise<void>>();
  const startedAt = recorder.now();
  let failure: { error: unknown } | undefined;

  async function run(): Promise<void> {
    for (let index = 0; index < count && !ended.aborted; index++) {
      const dueAt = startedAt + (index * 1000) / ratePerSecond;
      const leftMs = dueAt - recorder.now();
      if (leftMs > 0) {
        await sleep(leftMs, undefined, { signal: ended }).catch((error: unknown) => {
          if (!ended.aborted) throw error;
        });
      }
      if (ended.aborted) break;
      while (inFlight.size >= inFlightMax) await Promise.race(inFlight);
      // Also when it throws before its first await.
      const operation: Promise<void> = (async () => options.act(index, dueAt))()
        .catch((error: unknown) => {
          failure ??= { error };
          stopping.abort();
        })
        .finally(() => inFlight.delete(operation));
      inFlight.add(operation);
    }
    await Promise.all(inFlight);
    if (failure !== undefined) throw failure.error;
  }

  const done = run();
  // Whoever holds `done` or calls `stop` hears of an error; until then it must not end the process as unhandled.
  done.catch(() => {});
  return {
    done,
    stop() {
      stopping.abort();
      return done;
    },
  };
}
