import { isDuring, isWrite, type Operation, recoveries } from '../check/index.ts';
import type { HistoryRecord } from '../record/history.ts';
import type { FaultResult, RequirementResult } from './result.ts';

interface FaultsInput {
  records: readonly HistoryRecord[];
  operations: readonly Operation[];
  requirements: readonly RequirementResult[];
}

/** What each fault did, when, and how the pipeline came back from it. */
export function buildFaults({ records, operations, requirements }: FaultsInput): FaultResult[] {
  const judged = new Set(
    requirements
      .flatMap(({ cases }) => cases)
      .filter(({ verdict }) => verdict === 'pass' || verdict === 'fail')
      .map(({ key }) => key),
  );
  return recoveries(records).map(({ fault, losses, ...times }) => {
    const { id, kind, target, case: key } = fault;
    const writes = operations.filter((operation) => isWrite(operation) && isDuring(operation, fault));
    const ok = writes.filter(({ end }) => end?.type === 'ok').length;
    return {
      id,
      kind,
      target,
      case: key ?? null,
      ...times,
      // A case without a verdict did not look, so it cannot say "none".
      losses: key !== undefined && judged.has(key) ? losses : null,
      writes: { ok, notOk: writes.length - ok },
    };
  });
}
