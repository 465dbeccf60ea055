import { runCheckers } from '../check/index.ts';
import type { Found, HistoryRecord } from '../record/history.ts';

/**
 * What the checkers find in the records of each finished case, besides what the case itself wrote down: a report judges
 * from the history, not from what somebody said of it. A case that may be very large is left to `recheck`.
 */
export function missedFindings(records: readonly HistoryRecord[]): Found[] {
  const large = new Set(
    records.flatMap((record) => (record.type === 'case-started' && record.checkedFromFile ? [record.case] : [])),
  );
  const byCase = Map.groupBy(records, (record) => record.case);
  return records
    .filter((record) => record.type === 'case-finished' && (record.verdict === 'pass' || record.verdict === 'fail'))
    .filter(({ case: key }) => key === undefined || !large.has(key))
    .flatMap(({ at, case: key }) => {
      const own = byCase.get(key) ?? [];
      const known = new Set(own.flatMap((record) => (record.type === 'finding' ? [nameOf(record)] : [])));
      return runCheckers(own)
        .filter((finding) => !known.has(nameOf(finding)))
        .map((finding): Found => ({ type: 'finding', at, ...(key === undefined ? {} : { case: key }), ...finding }));
    });
}

const nameOf = ({ checker, message }: { checker: string; message: string }): string => `${checker} ${message}`;
