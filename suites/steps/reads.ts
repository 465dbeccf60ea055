import { setTimeout as sleep } from 'node:timers/promises';
import type { PipelineClient } from '../../harness/index.ts';

/** What one read of a file showed, and when. `step` rises with every change of the file, its deletion the last. */
export interface Look {
  step: number;
  startedAt: number;
  endedAt: number;
}

/**
 * The first read that shows an earlier state than a read that had ended before it began, with that one; undefined when
 * none does. Reads that overlap may differ either way, of any client.
 */
export function stepBack(looks: readonly Look[]): { earlier: Look; later: Look } | undefined {
  const byStart = looks.toSorted((a, b) => a.startedAt - b.startedAt);
  const byEnd = looks.toSorted((a, b) => a.endedAt - b.endedAt);
  let newest: Look | undefined;
  let ended = 0;
  for (const later of byStart) {
    for (let next = byEnd[ended]; next !== undefined && next.endedAt <= later.startedAt; next = byEnd[++ended]) {
      if (newest === undefined || next.step > newest.step) newest = next;
    }
    if (newest !== undefined && later.step < newest.step) return { earlier: newest, later };
  }
  return undefined;
}

const INTERVAL_MS = 2;

/**
 * Reads files by id over and over until it is disposed, for the checkers to judge: what reappears for a moment only is
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
