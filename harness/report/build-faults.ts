import { faultTimes, isWrite, NO_FAULTS, type Operation, type Recovery, tally } from '../check/index.ts';
import type { HistoryRecord } from '../record/history.ts';
import type { AvailabilityResult, FaultKindResult, FaultResult, RequirementResult } from './result.ts';

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
function judgedCases(requirements: readonly RequirementResult[]): ReadonlySet<string> {
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

/** Cases with more faults than this show them kind by kind, as soaks do. */
const FAULTS_SHOWN_MAX = 20;

/**
 * How available a pipeline was to which operations, and how it did under which kind of fault: of soaks, and of every case
 * with too many faults to read them one by one.
 */
export function buildAvailability(input: FaultsInput): {
  soak: string | null;
  availability: AvailabilityResult[];
  faultKinds: FaultKindResult[];
} {
  const { records, recovered, operations } = input;
  const faults = Map.groupBy(recovered, ({ fault }) => fault.case);
  const soaks = new Set(records.flatMap((record) => (record.type === 'soak-planned' ? [record.case] : [])));
  const cases = [...new Set([...faults.keys(), ...soaks])].filter(
    (key) => soaks.has(key) || (faults.get(key)?.length ?? 0) > FAULTS_SHOWN_MAX,
  );
  // Reads after all was healed, and what waits for it, are no load.
  const untilMs = new Map(
    records.flatMap((record) =>
      record.type === 'round' && record.event === 'ended' ? [[record.case, record.at]] : [],
    ),
  );
  const load = new Map(
    cases.map((key) => [
      key,
      operations.filter(
        ({ invoked }) =>
          invoked.case === key &&
          invoked.final !== true &&
          KINDS.includes(invoked.kind) &&
          invoked.intendedAt <= (untilMs.get(key) ?? Number.POSITIVE_INFINITY),
      ),
    ]),
  );
  return {
    soak: [...soaks][0] ?? null,
    availability: cases.flatMap((key) => availabilityOf(input, key, load.get(key) ?? [])),
    faultKinds: cases.flatMap((key) => kindsOf(input, key, faults.get(key) ?? [], load.get(key) ?? [])),
  };
}

/** Operations of a mixed load, in the order in which they are shown. */
const KINDS: readonly string[] = ['upload', 'update', 'delete', 'read', 'search'];

function availabilityOf(
  { records }: FaultsInput,
  key: string | undefined,
  load: readonly Operation[],
): AvailabilityResult[] {
  const times = faultTimes(records).get(key) ?? NO_FAULTS;
  const groups = Map.groupBy(load, ({ invoked }) => {
    const { on, near } = times.at(invoked.intendedAt);
    const scope = on.length > 0 ? 'during' : near.length > 0 ? 'near' : 'outside';
    return `${invoked.kind} ${scope}`;
  });
  return KINDS.flatMap((kind) =>
    (['outside', 'during', 'near'] as const).map((scope) => ({
      case: key ?? null,
      kind,
      scope,
      ...shareOf(groups.get(`${kind} ${scope}`) ?? []),
    })),
  );
}

/** Answered with yes or a definite no is answered well. */
function shareOf(operations: readonly Operation[]): Omit<AvailabilityResult, 'case' | 'kind' | 'scope'> {
  const { n, ok, refused, failed, unknown } = tally(operations);
  return { n, ok, refused, failed, unknown, availability: n === 0 ? null : (ok + refused) / n };
}

function kindsOf(
  { records, requirements }: FaultsInput,
  key: string | undefined,
  recovered: readonly Recovery[],
  load: readonly Operation[],
): FaultKindResult[] {
  const times = faultTimes(records).get(key) ?? NO_FAULTS;
  const alone = Map.groupBy(load, ({ invoked }) => {
    const { near } = times.at(invoked.intendedAt);
    return near.length === 1 ? near[0]?.kind : undefined;
  });
  const judged = key !== undefined && judgedCases(requirements).has(key);
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  const kinds = [...Map.groupBy(recovered, ({ fault }) => fault.kind)];
  return kinds
    .sort(([a, own], [b, other]) => targetOf(own).localeCompare(targetOf(other)) || a.localeCompare(b))
    .map(([kind, own]) => {
      const againMs = own.flatMap(({ writesAgainMs }) => writesAgainMs ?? []).sort((a, b) => a - b);
      const operations = Map.groupBy(alone.get(kind) ?? [], isWrite);
      return {
        case: key ?? null,
        kind,
        target: targetOf(own),
        count: own.length,
        unwitnessed: own.filter(({ fault }) => fault.unwitnessed).length,
        recoveries: againMs.length,
        recoveryMedianMs: againMs[Math.ceil(againMs.length / 2) - 1] ?? null,
        recoverySlowestMs: againMs.at(-1) ?? null,
        writesAlone: shareOf(operations.get(true) ?? []),
        readsAlone: shareOf(operations.get(false) ?? []),
        lost: judged ? sum(own.map(({ losses }) => losses)) : null,
        resurrected: judged ? sum(own.map(({ resurrected }) => resurrected)) : null,
      };
    });
}

const targetOf = ([first]: readonly Recovery[]): string => first?.fault.target ?? 'unknown';
