import type { HistoryRecord } from '../record/history.ts';
import { acknowledgedBefore, type FileHistory, fileHistories, type Sighting } from './file-history.ts';
import type { Finding } from './finding.ts';
import { mayHaveHappened } from './operations.ts';

/**
 * Guarantee: a deleted file never comes back. After an acknowledged deletion, finds files that the final by-id read
 * shows, and files that were seen, then seen to be gone, and then seen again by a read that began later.
 *
 * A file that had not been seen before it was gone is no case of this: its creation may be applied late, and its
 * deletion right after. A file that is registered again after its deletion is not judged.
 */
export function findResurrected(records: readonly HistoryRecord[]): Finding[] {
  return fileHistories(records).flatMap((file) => {
    const message = resurrection(file);
    return message === undefined ? [] : [{ checker: 'resurrected', fileId: file.fileId, message }];
  });
}

function resurrection({ creates, deletes, reads }: FileHistory): string | undefined {
  const [deletion] = acknowledgedBefore(deletes, Number.POSITIVE_INFINITY);
  const deletedAt = deletion?.end?.at;
  if (deletion === undefined || deletedAt === undefined) return undefined;
  if (creates.some((create) => mayHaveHappened(create) && (create.end?.at ?? Infinity) > deletion.invoked.at)) {
    return undefined;
  }
  const deleted = `deleted at ${Math.round(deletedAt)} ms`;
  const again = foundAgain(reads, deletedAt);
  if (again !== undefined) {
    const [goneAt, backAt] = [again.gone.endedAt, again.back.endedAt].map(Math.round);
    return `${deleted}, seen to be gone at ${goneAt} ms, and found again at ${backAt} ms`;
  }
  const final = reads.findLast((read) => read.final && read.startedAt >= deletedAt);
  return final?.found === true ? `${deleted}, and the final read by id still finds it` : undefined;
}

/** Three reads one after the other: found, gone (ending after the deletion), found. */
function foundAgain(reads: readonly Sighting[], deletedAt: number): { gone: Sighting; back: Sighting } | undefined {
  const firstFoundAt = Math.min(...reads.filter(({ found }) => found).map(({ endedAt }) => endedAt));
  const gone = reads
    .filter(({ found, startedAt, endedAt }) => !found && startedAt >= firstFoundAt && endedAt >= deletedAt)
    .toSorted((a, b) => a.endedAt - b.endedAt)[0];
  if (gone === undefined) return undefined;
  const back = reads.find(({ found, startedAt }) => found && startedAt >= gone.endedAt);
  return back === undefined ? undefined : { gone, back };
}
