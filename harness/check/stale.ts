import type { FileState, HistoryRecord } from '../record/history.ts';
import { acknowledgedBefore, type FileHistory, fileHistories, finalOf, type Sighting } from './file-history.ts';
import type { Finding } from './finding.ts';
import { compareInstants } from './instant.ts';
import { mayHaveHappened } from './operations.ts';
import { findResurrected } from './resurrected.ts';

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
