import { setTimeout as sleep } from 'node:timers/promises';
import type { PipelineClient } from '../../harness/index.ts';

const INTERVAL_MS = 2;

/**
 * Reads files by id over and over until it is disposed, for the checkers to judge: what comes back for a moment only is
 * gone again before a poll for the end state has looked.
 */
export function rereading(
  pipeline: PipelineClient,
  fileIds: readonly string[],
  { signal }: { signal: AbortSignal },
): AsyncDisposable {
  const ended = new AbortController();
  const until = AbortSignal.any([signal, ended.signal]);
  const reader = async (fileId: string): Promise<void> => {
    while (!until.aborted) {
      await pipeline.searchById(fileId);
      // Its only error is the end.
      await sleep(INTERVAL_MS, undefined, { signal: until }).catch(() => undefined);
    }
  };
  const readers = Promise.all(fileIds.map(reader));
  return {
    async [Symbol.asyncDispose]() {
      ended.abort();
      await readers;
    },
  };
}
