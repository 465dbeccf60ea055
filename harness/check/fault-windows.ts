import type { FaultChanged, HistoryRecord, PartLabel } from '../record/history.ts';
import type { Operation } from './operations.ts';

/** The time in which a fault was on. */
export interface FaultWindow {
  id: string;
  kind: string;
  target: PartLabel | 'unknown';
  case: string | undefined;
  /** When a witness saw it; when it was asked for, where none did. */
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
    kind: own[0]?.kind ?? 'unknown',
    target: own[0]?.target ?? 'unknown',
    case: own[0]?.case,
    fromAt: (own.find(({ event }) => event === 'effective') ?? own[0])?.at ?? 0,
    toAt: own.findLast(({ event }) => event === 'healed')?.at,
    changes: own,
  }));
}

/** True when a fault of the operation's own case was on at its due time (other cases have servers of their own). */
export function isDuring({ invoked }: Operation, window: FaultWindow): boolean {
  return (
    invoked.case === window.case &&
    invoked.intendedAt >= window.fromAt &&
    invoked.intendedAt < (window.toAt ?? Number.POSITIVE_INFINITY)
  );
}
