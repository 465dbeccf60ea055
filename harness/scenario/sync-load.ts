import type { PipelineClient } from '../clients/pipeline.ts';
import { type Hops, VisibilityTracker } from '../probes/visibility.ts';
import type { Visibility } from '../record/history.ts';
import type { Recorder } from '../record/writer.ts';
import { startOpenLoop } from './load.ts';

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
  const tracker = new VisibilityTracker({
    pipeline,
    recorder,
    timeoutMs,
    ...(hops === undefined ? {} : { hops }),
    ...(signal === undefined ? {} : { signal }),
  });
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
      const fileId = (answer.body as { file_id?: string } | undefined)?.file_id;
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
