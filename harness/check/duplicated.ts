import type { HistoryRecord } from '../record/history.ts';
import type { Finding } from './finding.ts';
import { completeOperations } from './operations.ts';

/** Guarantee: a search lists a file once. Finds ids that one answer lists more than once, each told once. */
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
