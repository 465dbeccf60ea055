import { setTimeout as sleep } from 'node:timers/promises';
import { monotonicMs } from '../core/time.ts';
import type { PartControl } from '../environment/common/environment.ts';
import type { Recorder } from '../record/writer.ts';

export interface MemoryWatchOptions {
  parts: readonly Pick<PartControl, 'name' | 'memoryBytes'>[];
  recorder: Recorder;
  everyMs: number;
}

/**
 * Records the memory of each part, and of this process as `runner`, at once, then at intervals, and once more when it is
 * disposed of. A part that does not answer is left out of that sample.
 */
export function watchMemory({ parts, recorder, everyMs }: MemoryWatchOptions): AsyncDisposable {
  const over = new AbortController();
  const sample = async (): Promise<void> => {
    const known = await Promise.all(parts.map(async (part) => [part.name, await part.memoryBytes?.()] as const));
    const bytes: Record<string, number> = { runner: process.memoryUsage.rss() };
    for (const [name, size] of known) if (size !== undefined) bytes[name] = size;
    recorder.record({ type: 'memory', bytes });
  };
  const run = async (): Promise<void> => {
    while (!over.signal.aborted) {
      const startedAt = monotonicMs();
      await sample();
      const leftMs = Math.max(0, startedAt + everyMs - monotonicMs());
      await sleep(leftMs, undefined, { signal: over.signal }).catch((error: unknown) => {
        if (!over.signal.aborted) throw error;
      });
    }
    await sample();
  };
  const running = run();
  // Reported at the end; until then it must not end the process as unhandled.
  running.catch(() => {});
  return {
    async [Symbol.asyncDispose]() {
      over.abort();
      await running;
    },
  };
}
