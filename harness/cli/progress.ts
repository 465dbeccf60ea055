import type { CaseFinished, EnvironmentChanged, FaultChanged, HistoryRecord, Verdict } from '../record/history.ts';
import { milliseconds, type Paint, paintVerdict } from './text.ts';

/** What is going on right now, folded from the records so far. */
export interface LiveState {
  /** Key → time it began, in ms since the run started. */
  cases: Map<string, number>;
  /** Fault id → what it is and since when. */
  faults: Map<string, { kind: string; case: string | undefined; since: number }>;
  /** Environment id → the parts that have answered so far. */
  starting: Map<string, string[]>;
  verdicts: Map<Verdict, number>;
  /** Of a run that is a soak. */
  soak?: SoakState;
}

interface SoakState {
  /** How long it is to break things. */
  seconds: number;
  /** Its case and when that began, once it has. */
  case?: { key: string; since: number };
  operations: number;
  /** Uploads that were followed until they were seen, and those that were not in time. */
  followed: number;
  unseen: number;
  findings: number;
  round?: { round: number; of: number; event: 'began' | 'ended' };
}

export function emptyState(): LiveState {
  return { cases: new Map(), faults: new Map(), starting: new Map(), verdicts: new Map() };
}

/** Takes in one record and gives the line that is worth reading for good, if any. */
export function applyRecord(state: LiveState, record: HistoryRecord, paint: Paint): string | undefined {
  applySoak(state, record);
  switch (record.type) {
    case 'environment':
      return applyEnvironment(state, record, paint);
    case 'case-started':
      state.cases.set(record.case, record.at);
      return undefined;
    case 'case-finished':
      return applyFinished(state, record, paint);
    case 'fault':
      return applyFault(state, record, paint);
    case 'finding':
      return paint('red', `${prefix(record.case)}${record.checker}: ${record.message}`);
    default:
      return undefined;
  }
}

function applySoak(state: LiveState, record: HistoryRecord): void {
  if (record.type === 'run-started' && record.soak !== undefined) {
    state.soak = { seconds: record.soak.seconds, operations: 0, followed: 0, unseen: 0, findings: 0 };
  }
  const { soak } = state;
  if (soak === undefined) return;
  if (record.type === 'soak-planned' && record.case !== undefined) soak.case = { key: record.case, since: record.at };
  else if (record.type === 'invoke') soak.operations++;
  else if (record.type === 'round') soak.round = record;
  else if (record.type === 'finding') soak.findings++;
  else if (record.type === 'visibility') {
    soak.followed++;
    if (record.hitAt === null) soak.unseen++;
  }
}

function applyEnvironment(state: LiveState, record: EnvironmentChanged, paint: Paint): string | undefined {
  const name = `${record.kind} environment ${record.environmentId}`;
  const took = record.ms === undefined ? '' : ` in ${milliseconds(record.ms)}`;
  const detail = record.detail === undefined ? '' : ` (${record.detail})`;
  switch (record.status) {
    case 'starting':
      if (!state.starting.has(record.environmentId)) state.starting.set(record.environmentId, []);
      return record.detail === undefined ? undefined : paint('dim', `${record.part ?? name}: ${record.detail}`);
    case 'part-ready':
      if (record.part !== undefined) state.starting.get(record.environmentId)?.push(record.part);
      return undefined;
    case 'ready':
      state.starting.delete(record.environmentId);
      return paint('dim', `${name} is up${took}`);
    case 'failed':
      if (record.part === undefined) state.starting.delete(record.environmentId);
      return paint('red', `${record.part ?? name} failed${detail}`);
    case 'kept':
      return paint('yellow', `${name} was left running${detail}`);
    default:
      return undefined;
  }
}

function applyFinished(state: LiveState, record: CaseFinished, paint: Paint): string {
  state.cases.delete(record.case);
  state.verdicts.set(record.verdict, (state.verdicts.get(record.verdict) ?? 0) + 1);
  const took = paint('dim', milliseconds(record.durationMs));
  const reason = record.reason === undefined ? '' : `\n      ${record.reason.replaceAll('\n', '\n      ')}`;
  return `${paintVerdict(record.verdict, paint)} ${record.case}  ${record.title}  ${took}${reason}`;
}

function applyFault(state: LiveState, record: FaultChanged, paint: Paint): string | undefined {
  const what = `${prefix(record.case)}${record.kind}`;
  const witness = record.witness === undefined ? '' : ` (${record.witness})`;
  switch (record.event) {
    case 'effective':
      state.faults.set(record.fault, { kind: record.kind, case: record.case, since: record.at });
      return paint('magenta', `${what} effective${witness}`);
    case 'healed':
      state.faults.delete(record.fault);
      return paint('magenta', `${what} healed${witness}`);
    case 'unwitnessed':
      state.faults.delete(record.fault);
      return paint('yellow', `${what} took no visible effect${witness}`);
    default:
      return undefined;
  }
}

const prefix = (key: string | undefined): string => (key === undefined ? '' : `${key}  `);

/** The lines of the live region: environments that start, faults that are on, cases that run. */
export function liveLines(state: LiveState, now: number, paint: Paint): string[] {
  const seconds = (since: number): string => paint('dim', `${Math.max(0, (now - since) / 1000).toFixed(1)} s`);
  const starting = [...state.starting].map(
    ([id, ready]) => `${paint('dim', 'starting')} ${id}: ${ready.length === 0 ? '…' : `${ready.join(', ')} up`}`,
  );
  const cases = [...state.cases].map(([key, since]) => {
    const faults = [...state.faults.values()].filter((fault) => fault.case === key).map((fault) => fault.kind);
    const on = faults.length === 0 ? '' : `  ${paint('magenta', faults.join(' + '))}`;
    const soak = state.soak?.case?.key === key ? soakText(state.soak, now, paint) : '';
    return `${paint('cyan', 'run ')} ${key} ${seconds(since)}${soak}${on}`;
  });
  const tally = [...state.verdicts].map(([verdict, count]) => `${count} ${verdict}`).join(', ');
  const total = tally === '' ? '' : `${tally}, `;
  return [...starting, ...cases, paint('dim', `${total}${(now / 1000).toFixed(0)} s`)];
}

/** How long it still lasts, where it is, how much it did, and what it lost so far. */
function soakText(soak: SoakState, now: number, paint: Paint): string {
  const { round, operations, followed, unseen, findings } = soak;
  const leftMs = (soak.case?.since ?? now) + soak.seconds * 1000 - now;
  const isOver = round?.event === 'ended' && round.round === round.of;
  const left = isOver
    ? 'all healed, comparing every file'
    : leftMs > 0
      ? `${milliseconds(leftMs)} left`
      : 'last rounds';
  const where = round === undefined || isOver ? '' : `  round ${round.round} of ${round.of}`;
  const lost = unseen + findings;
  const losses =
    lost === 0
      ? `nothing lost so far (${followed} uploads followed)`
      : paint('red', `${unseen} of ${followed} followed uploads never seen, ${findings} findings so far`);
  return `  ${left}${where}  ${operations.toLocaleString('en-GB')} operations  ${losses}`;
}
