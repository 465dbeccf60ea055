import type { FaultChanged, HistoryRecord, Marked } from '../record/history.ts';
import { countOf, type FaultWindow, faultWindows } from './fault-times.ts';
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
  /** Healed → the first answer of yes to a write of the case. */
  writesAgainMs: number | null;
  /** Writes that the checkers found lost and that were due since it was on. */
  losses: number;
  /** Files that the checkers found back from their deletion, which was due since it was on. */
  resurrected: number;
}

/** One entry per fault of the history. Losses are those whose findings are among the records. */
export function recoveries(records: readonly HistoryRecord[]): Recovery[] {
  const windows = faultWindows(records);
  const findings = attribute(records, windows);
  const marks = firstMarks(records);
  const seen = new TimesByCase(visibilitySamples(records).map((sample) => ({ case: sample.case, at: sample.hitAt })));
  const written = new TimesByCase(
    completeOperations(records)
      .filter((operation) => isWrite(operation) && operation.end?.type === 'ok')
      .map(({ invoked, end }) => ({ case: invoked.case, at: end?.at ?? null })),
  );
  return windows.map((fault) => {
    const at = (event: FaultChanged['event']): number | undefined =>
      fault.changes.find((change) => change.event === event)?.at;
    const mark = (name: Marked['name']): number | undefined => marks.get(`${name} ${fault.id}`);
    const effectiveAt = at('effective');
    const own = findings.get(fault.id) ?? [];
    return {
      fault,
      requestedAt: at('requested') ?? fault.fromAt,
      effectiveAt: effectiveAt ?? null,
      healedAt: fault.toAt ?? null,
      witness: fault.changes.find(({ event }) => event === 'effective')?.witness ?? null,
      detectedMs: since(effectiveAt, mark('fault-detected')),
      firstSuccessAfterMs: since(fault.toAt, mark('first-applied') ?? seen.firstAfter(fault)),
      backlogDrainedMs: since(fault.toAt, mark('backlog-drained')),
      writesAgainMs: since(fault.toAt, written.firstAfter(fault)),
      losses: own.filter((checker) => checker === 'lost').length,
      resurrected: own.filter((checker) => checker === 'resurrected').length,
    };
  });
}

function since(from: number | undefined, to: number | undefined): number | null {
  return from === undefined || to === undefined ? null : round(to - from);
}

/** The first mark of each name and fault. */
function firstMarks(records: readonly HistoryRecord[]): ReadonlyMap<string, number> {
  const marks = new Map<string, number>();
  for (const record of records) {
    if (record.type !== 'mark') continue;
    const key = `${record.name} ${record.fault}`;
    if (!marks.has(key)) marks.set(key, record.at);
  }
  return marks;
}

/** Moments of each case, to find the first one after a fault was healed. */
class TimesByCase {
  readonly #times: ReadonlyMap<string | undefined, Float64Array>;

  constructor(moments: readonly { case: string | undefined; at: number | null }[]) {
    const byCase = Map.groupBy(moments, (moment) => moment.case);
    this.#times = new Map(
      [...byCase].map(([key, own]) => [
        key,
        Float64Array.from(own.flatMap(({ at }) => (at === null ? [] : [at]))).sort(),
      ]),
    );
  }

  firstAfter({ case: key, toAt }: FaultWindow): number | undefined {
    const times = this.#times.get(key);
    return times === undefined || toAt === undefined ? undefined : times[countOf(times, (at) => at < toAt)];
  }
}

const ATTRIBUTED: ReadonlySet<string> = new Set(['lost', 'resurrected']);

/**
 * Checkers of lost and resurrected files by fault: each counts for the last fault of its case that was on before the file's
 * last write was due, so that two faults in one case do not both answer for it; one that was due before any fault counts
 * for the first.
 */
function attribute(
  records: readonly HistoryRecord[],
  windows: readonly FaultWindow[],
): ReadonlyMap<string, readonly string[]> {
  const findings = records
    .filter((record) => record.type === 'finding')
    .filter(({ checker }) => ATTRIBUTED.has(checker));
  const wanted = new Set(findings.map((finding) => nameOf(finding.case, finding.fileId)));
  const dueAt = new Map<string, number>();
  for (const operation of wanted.size === 0 ? [] : completeOperations(records)) {
    if (!isWrite(operation)) continue;
    const { invoked, end } = operation;
    const name = nameOf(invoked.case, end?.fileId ?? invoked.fileId);
    if (wanted.has(name)) dueAt.set(name, invoked.intendedAt);
  }
  const byCase = Map.groupBy(
    windows.toSorted((a, b) => a.fromAt - b.fromAt),
    (window) => window.case,
  );
  const attributed = new Map<string, string[]>();
  for (const record of findings) {
    const own = byCase.get(record.case) ?? [];
    const at = dueAt.get(nameOf(record.case, record.fileId)) ?? 0;
    const fault = own.findLast((window) => window.fromAt <= at) ?? own[0];
    if (fault !== undefined) attributed.set(fault.id, [...(attributed.get(fault.id) ?? []), record.checker]);
  }
  return attributed;
}

const nameOf = (key: string | undefined, fileId: string | undefined): string => `${key} ${fileId}`;
