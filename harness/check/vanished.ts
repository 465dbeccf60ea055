import type { HistoryRecord } from '../record/history.ts';
import { type FileHistory, fileHistories } from './file-history.ts';
import type { Finding } from './finding.ts';
import { findLost } from './lost.ts';
import { mayHaveHappened } from './operations.ts';

/**
 * Guarantee: by-id reads never go back in time, so a file that one has shown stays until somebody deletes it. Finds a
 * read that does not find what a read before it had shown, while no deletion can have happened. What is gone for good
 * after its acknowledgement is `lost`.
 */
export function findVanished(records: readonly HistoryRecord[]): Finding[] {
  const lost = new Set(findLost(records).map(({ fileId }) => fileId));
  return fileHistories(records).flatMap((file) => {
    // Files of other cases may be deleted there.
    if (lost.has(file.fileId) || !file.creates.some(mayHaveHappened)) return [];
    const message = vanishing(file);
    return message === undefined ? [] : [{ checker: 'vanished', fileId: file.fileId, message }];
  });
}

function vanishing({ deletes, reads }: FileHistory): string | undefined {
  const shownAt = Math.min(...reads.filter(({ found }) => found).map(({ endedAt }) => endedAt));
  const deletedAt = Math.min(...deletes.filter(mayHaveHappened).map(({ invoked }) => invoked.at));
  const gone = reads.find(({ found, startedAt, endedAt }) => !found && startedAt >= shownAt && endedAt < deletedAt);
  if (gone === undefined) return undefined;
  const back = reads.find(({ found, startedAt }) => found && startedAt >= gone.endedAt);
  const end = back === undefined ? '' : ` (it is back at ${Math.round(back.endedAt)} ms)`;
  const [from, to] = [Math.round(shownAt), Math.round(gone.startedAt)];
  return `read at ${from} ms, the read begun at ${to} ms does not find it, and nobody deleted it${end}`;
}
