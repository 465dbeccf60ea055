import type { FaultChanged, HistoryRecord, Marked } from '../record/history.ts';
import { type FaultWindow, faultWindows } from './fault-windows.ts';
import { round, visibilitySamples } from './latency.ts';
import { completeOperations, isWrite } from './operations.ts';

/** How the pipeline came through one fault. Times in ms; null where the history does not say. */
export interface Recovery {
  fault: FaultWindow;
  requestedAt: number;
  effectiveAt: number | null;
  healedAt: number | null;
  witness: string | null;
  /** Effective → the first mark that the pipeline said so. */
  detectedMs: number | null;
  /** Healed → the first write applied, by its mark, else the first that a reader saw. */
  firstSuccessAfterMs: number | null;
  /** Healed → nothing pending and all of the backlog visible. */
  backlogDrainedMs: number | null;
  /** Writes that the checkers found lost and that were due since it was on. */
  losses: number;
}

/** One entry per fault of the history. Losses are those whose findings are among the records. */
export function recoveries(records: readonly HistoryRecord[]): Recovery[] {
  const windows = faultWindows(records);
  const losses = attributeLosses(records, windows);
  return windows.map((fault) => {
    const at = (event: FaultChanged['event']): number | undefined =>
      fault.changes.find((change) => change.event === event)?.at;
    const mark = (name: Marked['name']): number | undefined =>
      records.find((record) => record.type === 'mark' && record.name === name && record.fault === fault.id)?.at;
    const effectiveAt = at('effective');
    return {
      fault,
      requestedAt: at('requested') ?? fault.fromAt,
      effectiveAt: effectiveAt ?? null,
      healedAt: fault.toAt ?? null,
      witness: fault.changes.find(({ event }) => event === 'effective')?.witness ?? null,
      detectedMs: since(effectiveAt, mark('fault-detected')),
      firstSuccessAfterMs: since(fault.toAt, mark('first-applied') ?? firstVisible(records, fault)),
      backlogDrainedMs: since(fault.toAt, mark('backlog-drained')),
      losses: losses.get(fault.id) ?? 0,
    };
  });
}

function since(from: number | undefined, to: number | undefined): number | null {
  return from === undefined || to === undefined ? null : round(to - from);
}

/** The first moment after healing at which a write of the case was seen: the fallback where no mark was set. */
function firstVisible(records: readonly HistoryRecord[], { case: key, toAt }: FaultWindow): number | undefined {
  if (toAt === undefined) return undefined;
  let first: number | undefined;
  for (const { case: own, hitAt } of visibilitySamples(records)) {
    if (own === key && hitAt !== null && hitAt >= toAt) first = Math.min(first ?? hitAt, hitAt);
  }
  return first;
}

/**
 * Lost writes by fault: each counts for the last fault of its case that was on before it was due, so that two faults
 * in one case do not both answer for it; one that was due before any fault counts for the first.
 */
function attributeLosses(
  records: readonly HistoryRecord[],
  windows: readonly FaultWindow[],
): ReadonlyMap<string, number> {
  const dueAt = new Map<string, number>();
  for (const operation of completeOperations(records)) {
    const fileId = operation.end?.fileId ?? operation.invoked.fileId;
    if (fileId !== undefined && isWrite(operation)) {
      dueAt.set(`${operation.invoked.case} ${fileId}`, operation.invoked.intendedAt);
    }
  }
  const losses = new Map<string, number>();
  for (const record of records) {
    if (record.type !== 'finding' || record.checker !== 'lost') continue;
    const own = windows.filter((window) => window.case === record.case).toSorted((a, b) => a.fromAt - b.fromAt);
    const at = dueAt.get(`${record.case} ${record.fileId}`) ?? 0;
    const fault = own.findLast((window) => window.fromAt <= at) ?? own[0];
    if (fault !== undefined) losses.set(fault.id, (losses.get(fault.id) ?? 0) + 1);
  }
  return losses;
}
