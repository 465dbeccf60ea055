import type { HistoryRecord } from '../record/history.ts';
import { completeOperations } from './operations.ts';

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

/** In the order of invocation. */
export function searchesOf(records: readonly HistoryRecord[]): SearchAnswered[] {
  return completeOperations(records).flatMap(({ invoked, end }) => {
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
