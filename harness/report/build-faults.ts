import type { FaultChanged, HistoryRecord } from '../record/history.ts';
import { isDuring, isWrite, type Operation } from './build-operations.ts';
import { round } from './distribution.ts';
import type { FaultWindow } from './fault-windows.ts';
import type { FaultResult, RequirementResult } from './result.ts';

interface FaultsInput {
  records: readonly HistoryRecord[];
  windows: readonly FaultWindow[];
  operations: readonly Operation[];
  requirements: readonly RequirementResult[];
}

/** What each fault did, when, and how the pipeline came back from it. */
export function buildFaults(input: FaultsInput): FaultResult[] {
  const { records, windows, operations, requirements } = input;
  const losses = attributeLosses(input);
  const judged = new Set(
    requirements
      .flatMap(({ cases }) => cases)
      .filter(({ verdict }) => verdict === 'pass' || verdict === 'fail')
      .map(({ key }) => key),
  );
  return windows.map((window) => {
    const { id, changes, fromAt, toAt, case: key } = window;
    const at = (event: FaultChanged['event']): number | undefined =>
      changes.find((change) => change.event === event)?.at;
    const mark = (name: string): number | undefined =>
      records.find((record) => record.type === 'mark' && record.name === name && record.fault === id)?.at;
    const since = (from: number | undefined, to: number | undefined): number | null =>
      from === undefined || to === undefined ? null : round(to - from);
    const effectiveAt = at('effective');
    const writes = operations.filter((operation) => isWrite(operation) && isDuring(operation, window));
    const ok = writes.filter(({ end }) => end?.type === 'ok').length;
    return {
      id,
      kind: changes[0]?.kind ?? 'unknown',
      target: changes[0]?.target ?? 'unknown',
      case: key ?? null,
      requestedAt: at('requested') ?? fromAt,
      effectiveAt: effectiveAt ?? null,
      healedAt: toAt ?? null,
      witness: changes.find(({ event }) => event === 'effective')?.witness ?? null,
      detectedMs: since(effectiveAt, mark('fault-detected')),
      firstSuccessAfterMs: since(toAt, mark('first-applied') ?? firstVisible(records, window)),
      backlogDrainedMs: since(toAt, mark('backlog-drained')),
      losses: key !== undefined && judged.has(key) ? (losses.get(id) ?? 0) : null,
      writes: { ok, notOk: writes.length - ok },
    };
  });
}

/** The first moment after healing at which a write of the case was seen: the fallback where no mark was set. */
function firstVisible(records: readonly HistoryRecord[], { case: key, toAt }: FaultWindow): number | undefined {
  if (toAt === undefined) return undefined;
  let first: number | undefined;
  for (const record of records) {
    if (record.type !== 'visibility' || record.case !== key || record.hitAt === null || record.hitAt < toAt) continue;
    first = Math.min(first ?? record.hitAt, record.hitAt);
  }
  return first;
}

/**
 * Lost writes by fault: each counts for the last fault of its case that was on before it was due, so that two faults
 * in one case do not both answer for it; one that was due before any fault counts for the first.
 */
function attributeLosses({ records, windows, operations }: FaultsInput): ReadonlyMap<string, number> {
  const dueAt = new Map<string, number>();
  for (const operation of operations) {
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
