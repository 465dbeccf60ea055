import type { FileState, HistoryRecord } from '../record/history.ts';
import {
  acknowledgedBefore,
  compareInstants,
  completeOperations,
  type FileHistory,
  type Finding,
  fileHistories,
  finalOf,
  mayHaveHappened,
  type Operation,
  type Searches,
  type Sighting,
  searchesOf,
} from './operations.ts';

/** Refusals that leave open whether the file is there: it exists already, or the server gave up waiting for the rest. */
export function isRefusedAsExisting({ end }: Operation): boolean {
  if (end?.type !== 'fail') return false;
  if (end.status === 408 || end.status === 409) return true;
  return end.status === 400 && /exist|already|duplicate/i.test(end.error ?? '');
}

/**
 * Guarantee: what was acknowledged is there at the end. Finds files whose creation was acknowledged, that were never
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

/** Guarantee: a search lists a file once. Finds ids that one answer lists more than once, each reported once. */
export function findDuplicated(records: readonly HistoryRecord[]): Finding[] {
  const found = new Map<string, Finding>();
  for (const { invoked, end } of completeOperations(records)) {
    if (invoked.kind !== 'search' || end?.ids === undefined) continue;
    for (const [fileId, times] of Map.groupBy(end.ids, (id) => id.toLowerCase())) {
      if (times.length === 1 || found.has(fileId)) continue;
      const message = `one search answer at ${Math.round(end.at)} ms lists it ${times.length} times`;
      found.set(fileId, { checker: 'duplicated', fileId, message });
    }
  }
  return [...found.values()];
}

/**
 * Guarantee: what was refused does not exist. Finds ids whose every registration in this history was certainly refused,
 * and that a later read (by id, of the registry, or a search) shows all the same.
 *
 * Cases share environments, so ids that this history never registered are no phantoms: another case may have made
 * them. Neither are ids that were refused because they exist, or that were seen before they were registered here.
 */
export function findPhantoms(records: readonly HistoryRecord[]): Finding[] {
  const { listing } = searchesOf(records);
  return fileHistories(records).flatMap(({ fileId, creates, reads, registryReads }) => {
    const refusedAt = creates[0]?.invoked.at;
    if (refusedAt === undefined || creates.some((create) => mayHaveHappened(create) || isRefusedAsExisting(create)))
      return [];
    const seen = [
      ...reads.filter(({ found }) => found).map(({ endedAt }) => ({ how: 'a read by id', at: endedAt })),
      ...registryReads.filter(({ found }) => found).map(({ endedAt }) => ({ how: 'the registry', at: endedAt })),
      ...(listing.get(fileId) ?? []).map(({ endedAt }) => ({ how: 'a search', at: endedAt })),
    ];
    const [first] = seen.toSorted((a, b) => a.at - b.at);
    if (first === undefined || first.at < refusedAt) return [];
    const answer = creates[0]?.end?.status ?? 'a refused connection';
    const message = `its registration was refused (${answer}), yet ${first.how} shows it at ${Math.round(first.at)} ms`;
    return [{ checker: 'phantom', fileId, message }];
  });
}

/**
 * Guarantee: by-id reads never go back in time, so a file that one has shown stays until it is deleted. Finds a
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
  return `read at ${from} ms, the read begun at ${to} ms does not find it, and it was not deleted${end}`;
}

/**
 * Guarantee: a deleted file never comes back. After an acknowledged deletion, finds files that the final by-id read or a
 * search after convergence shows, and files that were seen, then seen to be gone, and then seen again by a read that
 * began later: of the read model by id, of the registry, or by the same search.
 *
 * A file that had not been seen before it was gone is no case of this: its creation may be applied late, and its
 * deletion right after. Before convergence a search may trail by-id reads, so the two are not held against each other;
 * and a registry that still shows what it has marked as deleted resurrects nothing. A file that is registered again
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

/**
 * Guarantee: by-id reads of a file never go back in time, and end at the last acknowledged state or later. Finds a read
 * that shows an older state than one that had ended before it began, and a final read older than what was acknowledged.
 *
 * A deleted file that is back is `resurrected`, whatever it shows. The order is that of versions, the registry's answers
 * telling which version a state without one is. Only where neither helps, `updatedAt` decides, and then only if the
 * writes of the file are known and no two overlapped: of overlapping ones the later commit can carry the earlier time, and
 * so can an event that a case wrote itself.
 */
export function findStale(records: readonly HistoryRecord[]): Finding[] {
  const back = new Set(findResurrected(records).map(({ fileId }) => fileId));
  return fileHistories(records).flatMap((file) => {
    if (back.has(file.fileId)) return [];
    const isOlder = orderOf(file);
    const message = wentBack(file.reads, isOlder) ?? endedOld(file, isOlder);
    return message === undefined ? [] : [{ checker: 'stale', fileId: file.fileId, message }];
  });
}

/** True when `a` is certainly an earlier state than `b`. */
type IsOlder = (a: FileState, b: FileState) => boolean;

/** A read that was answered with a state. */
type Shown = Sighting & { state: FileState };

function wentBack(reads: readonly Sighting[], isOlder: IsOlder): string | undefined {
  const shown = reads.filter((read): read is Shown => read.state !== undefined);
  const byEnd = shown.toSorted((a, b) => a.endedAt - b.endedAt);
  // More than one where states have no order among themselves.
  let newest: Shown[] = [];
  let next = 0;
  for (const read of shown) {
    for (let ended = byEnd[next]; ended !== undefined && ended.endedAt <= read.startedAt; ended = byEnd[++next]) {
      newest = withNewer(newest, ended, isOlder);
    }
    const newer = newest.find(({ state }) => isOlder(read.state, state));
    if (newer === undefined) continue;
    const [from, to] = [Math.round(newer.endedAt), Math.round(read.startedAt)];
    return `the read begun at ${to} ms shows ${label(read.state)} after ${label(newer.state)} was read at ${from} ms`;
  }
  return undefined;
}

function withNewer(newest: Shown[], read: Shown, isOlder: IsOlder): Shown[] {
  const { version, updatedAt } = read.state;
  const isKnown = newest.some(({ state }) => state.version === version && state.updatedAt === updatedAt);
  if (isKnown || newest.some(({ state }) => isOlder(read.state, state))) return newest;
  return [...newest.filter(({ state }) => !isOlder(state, read.state)), read];
}

function endedOld({ creates, updates, reads }: FileHistory, isOlder: IsOlder): string | undefined {
  const read = finalOf(reads);
  if (read?.state === undefined) return undefined;
  const { state, startedAt } = read;
  for (const { end } of acknowledgedBefore([...creates, ...updates], startedAt)) {
    if (end?.state === undefined || !isOlder(state, end.state)) continue;
    return `the final read by id shows ${label(state)}, older than ${label(end.state)} acknowledged at ${Math.round(end.at)} ms`;
  }
  return undefined;
}

function label({ version, updatedAt }: FileState): string {
  return version === undefined ? `the state of ${updatedAt}` : `version ${version}`;
}

function orderOf({ creates, updates, deletes, registryReads }: FileHistory): IsOlder {
  const writes = [...creates, ...updates, ...deletes].filter(mayHaveHappened);
  const known = [...writes.map(({ end }) => end?.state), ...registryReads.map(({ state }) => state)];
  const placed = known.filter((state) => state !== undefined).filter(({ version }) => version !== undefined);
  const versions = new Map<string, number | undefined>();
  const versionOf = (state: FileState): number | undefined => {
    if (state.version !== undefined) return state.version;
    const key = `${state.createdAt} ${state.updatedAt}`;
    if (!versions.has(key)) versions.set(key, placedVersion(state, placed));
    return versions.get(key);
  };
  const sequential =
    writes.length > 0 &&
    writes
      .toSorted((a, b) => a.invoked.at - b.invoked.at)
      .every(({ end }, index, sorted) => {
        const next = sorted[index + 1];
        // An unknown write may take effect at any time after its client gave up.
        return next === undefined || (end?.type === 'ok' && end.at <= next.invoked.at);
      });
  return (a, b) => {
    const [left, right] = [versionOf(a), versionOf(b)];
    if (left !== undefined && right !== undefined) return left < right;
    return sequential && compareInstants(a.updatedAt, b.updatedAt) < 0;
  };
}

/** The version that the registry gave the state of this time; undefined when it gave none, or more than one. */
function placedVersion({ createdAt, updatedAt }: FileState, placed: readonly FileState[]): number | undefined {
  const alike = placed.filter((each) => compareInstants(each.updatedAt, updatedAt) === 0);
  const versions = new Set(alike.map(({ version }) => version));
  if (versions.size > 0) return versions.size === 1 ? [...versions][0] : undefined;
  return compareInstants(createdAt, updatedAt) === 0 ? 1 : undefined;
}
