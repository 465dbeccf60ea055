import type { FaultChanged, HistoryRecord, OperationKind, PartLabel, RoundChanged } from '../record/history.ts';
import { completeOperations, type Operation, oncePerHistory } from './operations.ts';

/** How long after its healing operations may meet what a fault left behind, where the history does not say, in ms. */
const LINGERS_MS = 2000;

/** The time in which a fault was on. */
export interface FaultWindow {
  id: string;
  kind: string;
  target: PartLabel | 'unknown';
  case: string | undefined;
  /** When it was requested. */
  requestedAt: number;
  /** When a witness saw it; when it was requested, where none did. */
  fromAt: number;
  /** Absent when it never healed. */
  toAt: number | undefined;
  /** No witness saw it in effect. */
  unwitnessed: boolean;
  /** How long after its healing operations may still fail because of it, in ms. */
  lingersMs: number;
  /** Of a soak, from 1. */
  round: number | undefined;
  changes: readonly FaultChanged[];
}

export function faultWindows(records: readonly HistoryRecord[]): FaultWindow[] {
  const changes = Map.groupBy(
    records.filter((record) => record.type === 'fault'),
    (record) => record.fault,
  );
  const rounds = Map.groupBy(
    records.filter((record) => record.type === 'round'),
    (record) => record.case,
  );
  return [...changes].map(([id, own]) => {
    const key = own[0]?.case;
    const requestedAt = own[0]?.at ?? 0;
    return {
      id,
      kind: own[0]?.kind ?? 'unknown',
      target: own[0]?.target ?? 'unknown',
      case: key,
      requestedAt,
      fromAt: (own.find(({ event }) => event === 'effective') ?? own[0])?.at ?? 0,
      toAt: own.findLast(({ event }) => event === 'healed')?.at,
      unwitnessed: own.some(({ event }) => event === 'unwitnessed'),
      ...ofRound(rounds.get(key) ?? [], requestedAt),
      changes: own,
    };
  });
}

function ofRound(rounds: readonly RoundChanged[], at: number): Pick<FaultWindow, 'lingersMs' | 'round'> {
  const began = rounds.findLast((record) => record.event === 'began' && record.at <= at);
  const ended = rounds.find((record) => record.event === 'ended' && record.round === began?.round);
  const lingers = (ended?.broken ?? [])
    .filter(({ requestedAt, healedAt }) => at >= requestedAt && at <= healedAt)
    .map(({ lingersMs }) => lingersMs);
  return { round: began?.round, lingersMs: Math.max(LINGERS_MS, ...lingers) };
}

/** What was broken at a moment. */
interface Moment {
  /** From when a witness saw it until it was healed. */
  on: readonly FaultWindow[];
  /** These, and those that were requested and not seen yet, or that are healed and may have aftereffects. */
  near: readonly FaultWindow[];
}

const CALM: Moment = { on: [], near: [] };

type Change = { at: number; of: 'on' | 'near'; window: FaultWindow; begins: boolean };

/**
 * The faults of one case by time: what was broken at a moment is found in the logarithm of their number, so that very many
 * operations can be held against very many faults.
 */
export class FaultTimes {
  /** Ascending; moment `i` lasts from start `i` to the next one. */
  readonly #starts: Float64Array;
  readonly #moments: readonly Moment[];

  constructor(windows: readonly FaultWindow[]) {
    const changes = windows.flatMap(changesOf).sort((a, b) => a.at - b.at);
    const starts: number[] = [];
    const moments: Moment[] = [];
    const now = { on: new Set<FaultWindow>(), near: new Set<FaultWindow>() };
    for (const [index, { at, of, window, begins }] of changes.entries()) {
      if (begins) now[of].add(window);
      else now[of].delete(window);
      // Of several changes at one time only the last leaves a moment behind.
      if (changes[index + 1]?.at === at) continue;
      starts.push(at);
      moments.push({ on: [...now.on], near: [...now.near] });
    }
    this.#starts = Float64Array.from(starts);
    this.#moments = moments;
  }

  at(at: number): Moment {
    return this.#moments[this.#indexOf(at)] ?? CALM;
  }

  /** Whether some fault was on at some time between these, both included. */
  isOnBetween(from: number, to: number): boolean {
    for (let index = this.#indexOf(from); index < this.#starts.length; index++) {
      if ((this.#starts[index] ?? from) > to) return false;
      if ((this.#moments[index]?.on.length ?? 0) > 0) return true;
    }
    return false;
  }

  /** The moment that `at` lies in; -1 before the first. */
  #indexOf(at: number): number {
    return countOf(this.#starts, (start) => start <= at) - 1;
  }
}

/** How many of ascending values come before the first that does not belong to the `lower` ones. */
export function countOf(values: Float64Array, lower: (value: number) => boolean): number {
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (lower(values[middle] ?? 0)) low = middle + 1;
    else high = middle;
  }
  return low;
}

function changesOf(window: FaultWindow): Change[] {
  const { requestedAt, fromAt, toAt, lingersMs, unwitnessed, changes } = window;
  // An unwitnessed fault was undone when that was clear.
  const overAt = toAt ?? (unwitnessed ? changes.at(-1)?.at : undefined) ?? Number.POSITIVE_INFINITY;
  const near = [
    { at: requestedAt, of: 'near' as const, window, begins: true },
    { at: overAt + lingersMs, of: 'near' as const, window, begins: false },
  ];
  if (unwitnessed) return near;
  const on = [
    { at: fromAt, of: 'on' as const, window, begins: true },
    { at: overAt, of: 'on' as const, window, begins: false },
  ];
  return [...near, ...on];
}

/** The faults of each case by time. Cases have servers of their own: what one breaks does not concern another. */
export const faultTimes = oncePerHistory(
  (records): ReadonlyMap<string | undefined, FaultTimes> =>
    new Map(
      [...Map.groupBy(faultWindows(records), (window) => window.case)].map(([key, windows]) => [
        key,
        new FaultTimes(windows),
      ]),
    ),
);

/** Of a case that broke nothing. */
export const NO_FAULTS = new FaultTimes([]);

/**
 * Where a watched write belongs by the faults of its case, as they were recorded: `outage` when one was on at any time
 * from when the write was due until it was seen, or given up; `recovery` when one was over so shortly before it was due that
 * it may have had aftereffects, or was requested and not seen yet; else `baseline`.
 */
export function phaseOf(
  faults: FaultTimes,
  { intendedAt, hitAt, at }: { intendedAt: number; hitAt: number | null; at: number },
): 'outage' | 'recovery' | 'baseline' {
  if (faults.isOnBetween(intendedAt, hitAt ?? at)) return 'outage';
  return faults.at(intendedAt).near.length > 0 ? 'recovery' : 'baseline';
}

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
