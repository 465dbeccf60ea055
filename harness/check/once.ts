import type { HistoryRecord } from '../record/history.ts';

/**
 * What is made of a history is made once, however many checkers ask for it: a history only grows, so one of the same
 * length is the same. Nobody may change what is handed out.
 */
export function oncePerHistory<T>(
  make: (records: readonly HistoryRecord[]) => T,
): (records: readonly HistoryRecord[]) => T {
  const made = new WeakMap<readonly HistoryRecord[], { length: number; value: T }>();
  return (records) => {
    const earlier = made.get(records);
    if (earlier?.length === records.length) return earlier.value;
    const value = make(records);
    made.set(records, { length: records.length, value });
    return value;
  };
}
