import { faultTimes, isWrite, NO_FAULTS, type Operation, type Recovery } from '../check/index.ts';
import type { HistoryRecord } from '../record/history.ts';
import type { FaultResult, RequirementResult } from './result.ts';

interface FaultsInput {
  records: readonly HistoryRecord[];
  recovered: readonly Recovery[];
  operations: readonly Operation[];
  requirements: readonly RequirementResult[];
}

/** What each fault did, when, and how the pipeline came back from it. */
export function buildFaults({ records, recovered, operations, requirements }: FaultsInput): FaultResult[] {
  const judged = judgedCases(requirements);
  const writes = writesMeanwhile(records, operations);
  const plans = new Map(
    records.flatMap((record) => (record.type === 'soak-planned' ? [[record.case, record.rounds] as const] : [])),
  );
  return recovered.map(({ fault, losses, resurrected: _, ...times }) => {
    const { id, kind, target, case: key, round } = fault;
    return {
      id,
      kind,
      target,
      case: key ?? null,
      round: round ?? null,
      plannedAs: round === undefined ? [] : (plans.get(key)?.[round - 1]?.disruptions.map(({ name }) => name) ?? []),
      ...times,
      // A case that did not look cannot say "none".
      losses: key !== undefined && judged.has(key) ? losses : null,
      writes: writes.get(id) ?? { ok: 0, notOk: 0 },
    };
  });
}

/** Cases that looked for losses: those that came to a verdict, and those that got to read all files at the end. */
export function judgedCases(requirements: readonly RequirementResult[]): ReadonlySet<string> {
  const cases = requirements.flatMap((requirement) => requirement.cases);
  const looked = cases.filter(
    ({ verdict, evidence }) => verdict === 'pass' || verdict === 'fail' || Number(evidence.readAtEnd ?? 0) > 0,
  );
  return new Set(looked.map(({ key }) => key));
}

/** Of each fault, how the writes ended that were due while it was on. */
function writesMeanwhile(
  records: readonly HistoryRecord[],
  operations: readonly Operation[],
): ReadonlyMap<string, { ok: number; notOk: number }> {
  const times = faultTimes(records);
  const counts = new Map<string, { ok: number; notOk: number }>();
  for (const operation of operations) {
    if (!isWrite(operation)) continue;
    const { invoked, end } = operation;
    for (const { id } of (times.get(invoked.case) ?? NO_FAULTS).at(invoked.intendedAt).on) {
      const count = counts.get(id) ?? { ok: 0, notOk: 0 };
      if (end?.type === 'ok') count.ok++;
      else count.notOk++;
      counts.set(id, count);
    }
  }
  return counts;
}
