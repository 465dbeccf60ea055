import type { Completed, HistoryRecord, Invoked } from '../record/history.ts';
import { distributionOf } from './distribution.ts';
import type { FaultWindow } from './fault-windows.ts';
import type { OperationSeries } from './result.ts';

/** An operation from its due time to its end. `end` is absent when the harness died before it. */
export interface Operation {
  invoked: Invoked;
  end?: Completed;
}

const WRITES: ReadonlySet<string> = new Set(['upload', 'register', 'update', 'delete']);

export function isWrite({ invoked }: Operation): boolean {
  return WRITES.has(invoked.kind);
}

export function completeOperations(records: readonly HistoryRecord[]): Operation[] {
  const operations = new Map<string, Operation>();
  for (const record of records) {
    if (record.type === 'invoke') operations.set(record.op, { invoked: record });
    else if (record.type === 'ok' || record.type === 'fail' || record.type === 'unknown') {
      const operation = operations.get(record.op);
      if (operation !== undefined) operation.end = record;
    }
  }
  return [...operations.values()];
}

/** True when a fault of the operation's own case was on at its due time (other cases have servers of their own). */
export function isDuring({ invoked }: Operation, window: FaultWindow): boolean {
  return (
    invoked.case === window.case &&
    invoked.intendedAt >= window.fromAt &&
    invoked.intendedAt < (window.toAt ?? Infinity)
  );
}

/** A definite answer within the contract, be it no. */
function isAnswered({ end }: Operation): boolean {
  return end?.type === 'ok' || (end?.type === 'fail' && end.status !== undefined && end.status < 500);
}

/** Latency and availability per kind of operation, calm and under a fault. */
export function buildOperations(operations: readonly Operation[], windows: readonly FaultWindow[]): OperationSeries[] {
  const byCase = Map.groupBy(windows, (window) => window.case);
  const groups = Map.groupBy(operations, (operation) => {
    const faulty = (byCase.get(operation.invoked.case) ?? []).some((window) => isDuring(operation, window));
    return `${operation.invoked.kind}|${faulty ? 'during-fault' : 'steady'}`;
  });
  return [...groups]
    .sort(([a], [b]) => b.localeCompare(a))
    .map(([name, group]) => {
      const [kind = '', scope] = name.split('|');
      const answered = group.filter(isAnswered);
      const ok = group.filter(({ end }) => end?.type === 'ok').length;
      const failed = group.filter((each) => each.end?.type === 'fail' && !isAnswered(each)).length;
      return {
        kind,
        scope: scope === 'steady' ? ('steady' as const) : ('during-fault' as const),
        ok,
        refused: answered.length - ok,
        failed,
        unknown: group.length - answered.length - failed,
        availability: answered.length / group.length,
        ...distributionOf(
          group.map(({ invoked, end }) => {
            const tookMs = end === undefined ? null : end.at - invoked.intendedAt;
            // What timed out took at least this long.
            return { lowMs: tookMs ?? 0, highMs: end?.type === 'unknown' ? null : tookMs };
          }),
        ),
      };
    });
}
