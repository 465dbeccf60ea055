import type { HistoryRecord } from '../record/history.ts';
import { acknowledgedBefore, type FileHistory, fileHistories, finalOf, type Sighting } from './file-history.ts';
import type { Finding } from './finding.ts';
import { mayHaveHappened, type Operation } from './operations.ts';
import { type Searches, searchesOf } from './searches.ts';

/**
 * Guarantee: a deleted file never comes back. After an acknowledged deletion, finds files that the final by-id read or a
 * search after convergence shows, and files that were seen, then seen to be gone, and then seen again by a read that
 * began later: of the read model by id, of the registry, or by the same search.
 *
 * A file that had not been seen before it was gone is no case of this: its creation may be applied late, and its
 * deletion right after. Before convergence a search may trail by-id reads, so the two are not held against each other;
 * and a registry that goes on showing what it has marked as deleted brings nothing back. A file that is registered again
 * after its deletion is not judged.
 */
export function findResurrected(records: readonly HistoryRecord[]): Finding[] {
  const searches = searchesOf(records);
  return fileHistories(records).flatMap((file) => {
    const message = resurrection(file, searches);
    return message === undefined ? [] : [{ checker: 'resurrected', fileId: file.fileId, message }];
  });
}

function resurrection(file: FileHistory, searches: Searches): string | undefined {
  const { creates, deletes, reads } = file;
  const [deletion] = acknowledgedBefore(deletes, Number.POSITIVE_INFINITY);
  const deletedAt = deletion?.end?.at;
  if (deletion === undefined || deletedAt === undefined) return undefined;
  if (creates.some((create) => mayHaveHappened(create) && (create.end?.at ?? Infinity) > deletion.invoked.at)) {
    return undefined;
  }
  const again =
    foundAgain('by id', reads, firstFoundAt(reads), deletedAt) ??
    inRegistryAgain(file, deletion) ??
    inSearchAgain(file, searches, deletedAt);
  const deleted = `deleted at ${Math.round(deletedAt)} ms`;
  if (again !== undefined) return `${deleted}, ${again}`;
  const final = reads.findLast((read) => read.final && read.startedAt >= deletedAt);
  if (final?.found === true) return `${deleted}, and the final read by id still finds it`;
  const late = inSearchAfterConvergence(file, searches, deletedAt);
  return late === undefined
    ? undefined
    : `${deleted}, and a search at ${Math.round(late)} ms, after convergence, lists it`;
}

function firstFoundAt(sightings: readonly Sighting[]): number {
  return Math.min(...sightings.filter(({ found }) => found).map(({ endedAt }) => endedAt));
}

type Look = Pick<Sighting, 'found' | 'startedAt' | 'endedAt'>;

/** Three looks one after the other: seen, gone (ending after the deletion), and back. */
function foundAgain(where: string, looks: readonly Look[], seenAt: number, deletedAt: number): string | undefined {
  const gone = looks
    .filter(({ found, startedAt, endedAt }) => !found && startedAt >= seenAt && endedAt >= deletedAt)
    .toSorted((a, b) => a.endedAt - b.endedAt)[0];
  if (gone === undefined) return undefined;
  const back = looks.find(({ found, startedAt }) => found && startedAt >= gone.endedAt);
  if (back === undefined) return undefined;
  const [goneAt, backAt] = [gone.endedAt, back.endedAt].map(Math.round);
  return `seen to be gone ${where} at ${goneAt} ms, and found again at ${backAt} ms`;
}

/** The registry acknowledges: what it said of a creation counts as seen, and a deletion may show before its answer. */
function inRegistryAgain({ creates, registryReads }: FileHistory, deletion: Operation): string | undefined {
  const createdAt = acknowledgedBefore(creates, Number.POSITIVE_INFINITY).map(({ end }) => end?.at ?? Infinity);
  const seenAt = Math.min(firstFoundAt(registryReads), ...createdAt);
  return foundAgain('in the registry', registryReads, seenAt, deletion.invoked.at);
}

function inSearchAgain(
  { fileId, updates }: FileHistory,
  { listing, byRequest }: Searches,
  deletedAt: number,
): string | undefined {
  // An update that is applied late can make a file match again, or no longer.
  if (updates.some(mayHaveHappened)) return undefined;
  for (const [request, own] of Map.groupBy(listing.get(fileId) ?? [], (search) => search.request)) {
    if (own.length < 2) continue;
    const looks = (byRequest.get(request) ?? [])
      .filter(({ ids, isComplete }) => isComplete || ids.has(fileId))
      .map(({ ids, startedAt, endedAt }) => ({ found: ids.has(fileId), startedAt, endedAt }));
    const again = foundAgain('in a search', looks, Math.min(...own.map(({ endedAt }) => endedAt)), deletedAt);
    if (again !== undefined) return again;
  }
  return undefined;
}

/** The time of a search that lists the file although it is final, or came after the final read that found nothing. */
function inSearchAfterConvergence(
  { fileId, reads }: FileHistory,
  { listing }: Searches,
  deletedAt: number,
): number | undefined {
  const final = finalOf(reads);
  const convergedAt = final?.found === false && final.startedAt >= deletedAt ? final.endedAt : Infinity;
  const late = listing
    .get(fileId)
    ?.find(({ final: isFinal, startedAt }) => startedAt >= deletedAt && (isFinal || startedAt >= convergedAt));
  return late?.endedAt;
}
