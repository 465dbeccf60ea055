import { type Broken, type HistoryRecord, InconclusiveError, readHistory } from '../../harness/index.ts';
import { demand } from '../steps/violation.ts';

/** One operation as a client saw it. */
export interface SeenOperation {
  op: string;
  kind: string;
  fileId?: string;
  /** Run time, in ms. */
  dueAt: number;
  outcome: 'ok' | 'fail' | 'unknown';
  status?: number;
  error?: string;
}

/** In an outage of Redis alone, of a thousand operations one may fail. */
const FAILING_SHARE_MAX = 0.001;
/** What breaks may catch an operation that was due so long before. */
const CAUGHT_MS = 2000;
/** A load that is later than that is not the one that was asked for: what it meets says nothing of the target. */
const LATE_MS_MAX = 3000;
/** So many failed operations are reported one by one. */
const TOLD_MAX = 5;
/** Faults that are reported beside an operation: those that were on so close to it. */
const AROUND_MS = 15_000;

/** @throws InconclusiveError for a load that began operations too late to attribute a failure to the target */
export function demandInTime(latestMs: number, ratePerSecond: number, cause?: unknown): void {
  if (latestMs <= LATE_MS_MAX) return;
  throw new InconclusiveError(
    `An operation began ${Math.round(latestMs)} ms after it was due: ${ratePerSecond} operations a second are more than this machine gives; try a lower --rate`,
    { cause },
  );
}

/**
 * The operations that a case recorded, in the order of their ends, from the history's file: there may be millions.
 * @param since run time at which the try began, in ms: an earlier one broke something else
 */
export async function* operationsOf(historyPath: string, key: string, since: number): AsyncGenerator<SeenOperation> {
  const open = new Map<string, Extract<HistoryRecord, { type: 'invoke' }>>();
  for await (const record of readHistory(historyPath)) {
    if (record.case !== key || record.at < since) continue;
    if (record.type === 'invoke') open.set(record.op, record);
    if (record.type !== 'ok' && record.type !== 'fail' && record.type !== 'unknown') continue;
    const invoked = open.get(record.op);
    if (invoked === undefined) continue;
    open.delete(record.op);
    const { op, kind, type: outcome, status, error } = record;
    yield { op, kind, dueAt: invoked.intendedAt, outcome, fileId: record.fileId ?? invoked.fileId, status, error };
  }
}

export interface NoOutage {
  /** Operations that were due during an outage of Redis alone. */
  whileRedisAway: number;
  /** Those of them that did not succeed. */
  failed: number;
  /** The first of these: which operation, when it was due, what was broken around it. */
  told: readonly string[];
}

/**
 * How the target did during an outage of Redis alone: operations due while a fault of Redis was on, and no other was
 * on, about to begin, or over so recently that its after-effects can be the cause.
 */
export async function whileRedisAlone(
  operations: AsyncIterable<SeenOperation> | Iterable<SeenOperation>,
  broken: readonly Broken[],
): Promise<NoOutage> {
  const around = (at: number, { requestedAt, healedAt, lingersMs }: Broken): boolean =>
    at >= requestedAt - CAUGHT_MS && at <= healedAt + lingersMs;
  const isOfRedisAlone = ({ ofRedis, seen }: Broken): boolean => ofRedis && seen;
  const away = broken.filter(isOfRedisAlone);
  const others = broken.filter((each) => !isOfRedisAlone(each));
  const alone = away.map((fault) => ({
    ...fault,
    others: others.filter((other) => overlaps(fault, other)),
  }));
  const find = byTime(alone);
  const told: string[] = [];
  let [whileRedisAway, failed] = [0, 0];
  for await (const operation of operations) {
    const { dueAt, outcome } = operation;
    const faults = find(dueAt);
    if (faults.length === 0 || faults.some((fault) => fault.others.some((other) => around(dueAt, other)))) continue;
    whileRedisAway++;
    if (outcome === 'ok') continue;
    failed++;
    if (told.length < TOLD_MAX) told.push(tell(operation, broken));
  }
  return { whileRedisAway, failed, told };
}

/** @throws Violation when more than one in a thousand failed, with the first of them and what was broken around it */
export function demandNoOutage({ whileRedisAway, failed, told }: NoOutage): void {
  demand(
    failed <= FAILING_SHARE_MAX * whileRedisAway,
    () =>
      `${failed} of ${whileRedisAway} operations failed during an outage of Redis alone, at most ${Math.floor(FAILING_SHARE_MAX * whileRedisAway)} may; the first: ${told[0]}`,
  );
}

function overlaps(fault: Broken, other: Broken): boolean {
  return other.requestedAt - CAUGHT_MS <= fault.healedAt && other.healedAt + other.lingersMs >= fault.requestedAt;
}

/** Finds the faults that were on at a time. Few overlap: of those that began before it, only the last few can be on. */
function byTime<F extends Broken>(faults: readonly F[]): (at: number) => F[] {
  const sorted = faults.toSorted((a, b) => a.requestedAt - b.requestedAt);
  const longestMs = Math.max(0, ...sorted.map(({ requestedAt, healedAt }) => healedAt - requestedAt));
  return (at) => {
    let [low, high] = [0, sorted.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((sorted[middle]?.requestedAt ?? 0) <= at) low = middle + 1;
      else high = middle;
    }
    const on: F[] = [];
    for (let i = low - 1; i >= 0; i--) {
      const fault = sorted[i];
      if (fault === undefined || fault.requestedAt < at - longestMs) break;
      if (fault.healedAt >= at) on.push(fault);
    }
    return on;
  };
}

/** `update op-17 of 0190…, due at 812.41 s: unknown (timeout); redis-killed (round 9) on for 1.2 s, …`. */
function tell({ op, kind, fileId, dueAt, outcome, status, error }: SeenOperation, broken: readonly Broken[]): string {
  const why = [status, error].filter((part) => part !== undefined).join(' ');
  const near = broken
    .filter(({ requestedAt, healedAt }) => dueAt >= requestedAt - AROUND_MS && dueAt <= healedAt + AROUND_MS)
    .toSorted((a, b) => Math.abs(a.requestedAt - dueAt) - Math.abs(b.requestedAt - dueAt))
    .map((fault) => tellFault(fault, dueAt));
  return `${kind} ${op}${fileId === undefined ? '' : ` of ${fileId}`}, due at ${seconds(dueAt)} s: ${outcome}${why === '' ? '' : ` (${why})`}; around it: ${near.join(', ')}`;
}

function tellFault({ name, round, requestedAt, healedAt, seen }: Broken, at: number): string {
  const when =
    at < requestedAt
      ? `${seconds(requestedAt - at)} s later`
      : at > healedAt
        ? `over for ${seconds(at - healedAt)} s`
        : `on for ${seconds(at - requestedAt)} s`;
  return `${name} (round ${round}${seen ? '' : ', never observed'}) ${when}`;
}

const seconds = (ms: number): string => (ms / 1000).toFixed(2);
