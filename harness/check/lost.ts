import type { HistoryRecord } from '../record/history.ts';
import { acknowledgedBefore, type FileHistory, fileHistories, finalOf } from './file-history.ts';
import type { Finding } from './finding.ts';
import { mayHaveHappened } from './operations.ts';

/**
 * Guarantee: what was acknowledged is there in the end. Finds files whose creation was acknowledged, that nobody
 * deleted (an unknown deletion may have happened, so it counts), and that the final by-id read does not show.
 */
export function findLost(records: readonly HistoryRecord[]): Finding[] {
  return fileHistories(records).flatMap((file) => {
    const create = lostCreate(file);
    if (create === undefined) return [];
    const { kind, at } = create;
    const message = `the ${kind} acknowledged at ${Math.round(at)} ms is absent from the final read by id`;
    return [{ checker: 'lost', fileId: file.fileId, message }];
  });
}

function lostCreate({ creates, deletes, reads }: FileHistory): { kind: string; at: number } | undefined {
  const read = finalOf(reads);
  if (read === undefined || read.found) return undefined;
  if (deletes.some((each) => mayHaveHappened(each) && each.invoked.at <= read.endedAt)) return undefined;
  return acknowledgedBefore(creates, read.startedAt).at(-1)?.end;
}
