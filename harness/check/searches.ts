import { oncePerHistory } from './once.ts';
import { completeOperations, type Operation } from './operations.ts';

/** A search that was answered. */
export interface SearchAnswered {
  /** Lower case. */
  ids: ReadonlySet<string>;
  /** Equal for equal requests. */
  request: string;
  /** The answer lists all that match: an id that is not in it does not match. */
  isComplete: boolean;
  final: boolean;
  startedAt: number;
  endedAt: number;
}

/** The answered searches of a history, each list in the order of invocation. */
export interface Searches {
  /** By the id of a file, lower case: the answers that list it. */
  listing: ReadonlyMap<string, readonly SearchAnswered[]>;
  byRequest: ReadonlyMap<string, readonly SearchAnswered[]>;
}

export const searchesOf = oncePerHistory((records): Searches => {
  const listing = new Map<string, SearchAnswered[]>();
  const byRequest = new Map<string, SearchAnswered[]>();
  for (const search of answered(completeOperations(records))) {
    append(byRequest, search.request, search);
    for (const id of search.ids) append(listing, id, search);
  }
  return { listing, byRequest };
});

function answered(operations: readonly Operation[]): SearchAnswered[] {
  return operations.flatMap(({ invoked, end }) => {
    if (invoked.kind !== 'search' || end?.type !== 'ok' || end.ids === undefined) return [];
    return [
      {
        ids: new Set(end.ids.map((id) => id.toLowerCase())),
        request: JSON.stringify(invoked.input ?? {}),
        isComplete: end.totalCount !== undefined && end.ids.length >= end.totalCount,
        final: invoked.final === true,
        startedAt: invoked.at,
        endedAt: end.at,
      },
    ];
  });
}

function append<T>(lists: Map<string, T[]>, key: string, item: T): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [item]);
  else list.push(item);
}
