import type { HistoryRecord } from '../../harness/index.ts';

/** The files whose upload or registration was accepted. */
export function createdIn(records: readonly HistoryRecord[]): string[] {
  const created = records.flatMap((record) =>
    record.type === 'ok' && (record.kind === 'upload' || record.kind === 'register') ? (record.fileId ?? []) : [],
  );
  return [...new Set(created)];
}
