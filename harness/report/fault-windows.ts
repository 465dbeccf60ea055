import type { FaultChanged, HistoryRecord } from '../record/history.ts';

/** The time in which a fault was on. */
export interface FaultWindow {
  id: string;
  case: string | undefined;
  fromAt: number;
  /** Absent when it never healed. */
  toAt: number | undefined;
  changes: readonly FaultChanged[];
}

export function faultWindows(records: readonly HistoryRecord[]): FaultWindow[] {
  const changes = Map.groupBy(
    records.filter((record) => record.type === 'fault'),
    (record) => record.fault,
  );
  return [...changes].map(([id, own]) => ({
    id,
    case: own[0]?.case,
    fromAt: (own.find(({ event }) => event === 'effective') ?? own[0])?.at ?? 0,
    toAt: own.findLast(({ event }) => event === 'healed')?.at,
    changes: own,
  }));
}
