import type { HistoryRecord, OperationKind } from '../record/history.ts';
import { FaultTimes } from './fault-times.ts';
import { type FaultWindow, faultWindows } from './fault-windows.ts';
import { completeOperations, type Operation } from './operations.ts';

/** How the operations of a group ended. */
interface Tally {
  n: number;
  ok: number;
  /** A definite no within the contract (4xx). */
  refused: number;
  /** 5xx on a read, a refused connection: certainly not done. */
  failed: number;
  /** Timed out, cut off, or never ended: may have been done. */
  unknown: number;
}

interface Availability {
  kind: OperationKind;
  total: Tally & { okShare: number | null };
  /** Operations due while a fault of their own case was on: from effective to healed. */
  duringFaults: Tally & { okShare: number | null };
}

export function tally(operations: readonly Operation[]): Tally {
  const counts: Tally = { n: operations.length, ok: 0, refused: 0, failed: 0, unknown: 0 };
  for (const { end } of operations) {
    if (end?.type === 'ok') counts.ok++;
    else if (end?.type !== 'fail') counts.unknown++;
    else if (end.status !== undefined && end.status < 500) counts.refused++;
    else counts.failed++;
  }
  return counts;
}

/**
 * The share of operations that were answered ok, by kind, in total and during faults; null where there were none.
 * `faults` picks the faults that count, e.g. those of Redis alone.
 */
export function availabilityOf(
  records: readonly HistoryRecord[],
  faults: (fault: FaultWindow) => boolean = () => true,
): Availability[] {
  const windows = Map.groupBy(faultWindows(records).filter(faults), (window) => window.case);
  const times = new Map([...windows].map(([key, own]) => [key, new FaultTimes(own)]));
  const isFaulty = ({ invoked }: Operation): boolean =>
    (times.get(invoked.case)?.at(invoked.intendedAt).on.length ?? 0) > 0;
  return [...Map.groupBy(completeOperations(records), ({ invoked }) => invoked.kind)].map(([kind, operations]) => ({
    kind,
    total: withShare(tally(operations)),
    duringFaults: withShare(tally(operations.filter(isFaulty))),
  }));
}

function withShare(counts: Tally): Tally & { okShare: number | null } {
  return { ...counts, okShare: counts.n === 0 ? null : counts.ok / counts.n };
}
