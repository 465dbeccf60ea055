import { setTimeout as sleep } from 'node:timers/promises';
import { fileIdIn, type PipelineClient } from '../clients/pipeline.ts';
import type { Visibility } from '../record/history.ts';
import type { Recorder } from '../record/writer.ts';
import { type Hops, VisibilityTracker } from './visibility.ts';

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
  // The error reaches the caller through `done` or `stop`; until then it must not end the process as unhandled.
  done.catch(() => {});
  return {
    done,
    stop() {
      stopping.abort();
      return done;
    },
  };
}

export interface SyncLoad {
  pipeline: PipelineClient;
  recorder: Recorder;
  prefix: string;
  phase: string;
  ratePerSecond: number;
  count: number;
  /** A write that is not visible after this long counts as censored, in ms. */
  timeoutMs: number;
  hops?: (fileIds: readonly string[]) => Promise<ReadonlyMap<string, Hops>>;
  signal?: AbortSignal;
}

export interface SyncLoadResult {
  samples: readonly Omit<Visibility, 'type' | 'at' | 'case'>[];
  /** From the due time of each upload to its answer, in ms. */
  uploadMs: number[];
  refused: number;
  firstError?: string;
}

/** Uploads at a steady rate, each followed until a by-id read shows it. */
export async function runSyncLoad(load: SyncLoad): Promise<SyncLoadResult> {
  const { pipeline, recorder, prefix, phase, timeoutMs, hops, signal } = load;
  const tracker = new VisibilityTracker({ pipeline, recorder, timeoutMs, hops, signal });
  const result: Omit<SyncLoadResult, 'samples'> = { uploadMs: [], refused: 0 };
  recorder.record({ type: 'phase', phase });
  const uploading = startOpenLoop({
    ...load,
    act: async (index, intendedAt) => {
      const filename = `${prefix}-${String(index).padStart(6, '0')}.txt`;
      const answer = await pipeline.upload(
        { filename, content: Buffer.from(`content of ${filename}`) },
        { intendedAt },
      );
      const fileId = fileIdIn(answer.body);
      if (answer.outcome !== 'ok' || fileId === undefined) {
        result.refused++;
        result.firstError ??= answer.error ?? `answered ${answer.status}`;
        return;
      }
      result.uploadMs.push(answer.endedAt - intendedAt);
      tracker.watch({ op: answer.op, fileId, kind: 'created', phase, intendedAt, acceptedAt: answer.endedAt });
    },
  });
  await uploading.done;
  return { ...result, samples: await tracker.finish() };
}
