import { type FileHandle, open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { milliseconds, type Paint, type Style } from '../core/text.ts';
import type { CaseFinished, EnvironmentChanged, FaultChanged, HistoryRecord, Verdict } from '../record/history.ts';
import { memoryRecorder, type Recorder } from '../record/writer.ts';
import type { Screen } from './output.ts';

const POLL_MS = 50;
const CHUNK_BYTES = 256 * 1024;

/**
 * Reads a history while others append to it, until `signal` aborts; then reads what is left and resolves.
 * Lines that are not JSON are left to the report, which names them.
 */
export async function followHistory(
  path: string,
  onRecord: (record: HistoryRecord) => void,
  signal: AbortSignal,
): Promise<void> {
  await using file = await open(path, 'r');
  const lines = lineReader(file);
  for (;;) {
    const last = signal.aborted;
    for await (const line of lines()) {
      const record = parse(line);
      if (record !== undefined) onRecord(record);
    }
    if (last) return;
    // Rejects when the run ends: that only means one last read.
    await sleep(POLL_MS, undefined, { signal }).catch(() => {});
  }
}

function parse(line: string): HistoryRecord | undefined {
  try {
    return JSON.parse(line) as HistoryRecord;
  } catch {
    // Torn or broken: the report counts and names such lines.
    return undefined;
  }
}

/** Gives, at each call, the complete lines that have been appended since the call before. */
function lineReader(file: FileHandle): () => AsyncGenerator<string> {
  const buffer = Buffer.alloc(CHUNK_BYTES);
  let position = 0;
  let rest: Buffer = Buffer.alloc(0);
  return async function* newLines() {
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES, position);
      if (bytesRead === 0) return;
      position += bytesRead;
      let chunk = Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
      for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10)) {
        yield chunk.toString('utf8', 0, end);
        chunk = chunk.subarray(end + 1);
      }
      rest = Buffer.from(chunk);
    }
  };
}

/** What is going on right now, folded from the records so far. */
export interface LiveState {
  /** Key → time it began, in ms since the run started. */
  cases: Map<string, number>;
  /** Fault id → what it is and since when. */
  faults: Map<string, { kind: string; case: string | undefined; since: number }>;
  /** Environment id → the parts that have answered so far. */
  starting: Map<string, string[]>;
  verdicts: Map<Verdict, number>;
  /** How many cases the run is to run; undefined before it says so. */
  selected?: number;
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

/** Takes in one record and gives the line that is worth keeping, if any. */
export function applyRecord(state: LiveState, record: HistoryRecord, paint: Paint): string | undefined {
  if (record.type === 'run-started') state.selected = record.selected.length;
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
  if (record.type === 'run-started' && record.plan?.soak !== undefined) {
    state.soak = { seconds: record.plan.soak.seconds, operations: 0, followed: 0, unseen: 0, findings: 0 };
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

const doneOf = ({ verdicts }: LiveState): number => [...verdicts.values()].reduce((sum, count) => sum + count, 0);

function applyFinished(state: LiveState, record: CaseFinished, paint: Paint): string {
  state.cases.delete(record.case);
  state.verdicts.set(record.verdict, (state.verdicts.get(record.verdict) ?? 0) + 1);
  const took = paint('dim', milliseconds(record.durationMs));
  const reason = record.reason === undefined ? '' : `\n      ${record.reason.replaceAll('\n', '\n      ')}`;
  const count = state.selected === undefined ? '' : paint('dim', `${doneOf(state)}/${state.selected} `);
  return `${paintVerdict(record.verdict, paint)} ${count}${record.case}  ${record.title}  ${took}${reason}`;
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
  const done = state.selected === undefined ? '' : `${doneOf(state)} of ${state.selected} cases, `;
  const total = tally === '' ? done : `${done}${tally}, `;
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

/** Shows what starts, live on a terminal. */
export function screenRecorder(screen: Screen): Recorder {
  const state = emptyState();
  const memory = memoryRecorder();
  screen.live(() => liveLines(state, memory.now(), screen.paint));
  const recorder: Recorder = {
    now: memory.now,
    record: (entry) => {
      memory.record(entry);
      const record = memory.records.pop();
      const line = record === undefined ? undefined : applyRecord(state, record, screen.paint);
      if (line !== undefined) screen.line(line);
    },
    forCase: () => recorder,
  };
  return recorder;
}

const VERDICT_STYLES: Record<Verdict, Style> = {
  pass: 'green',
  xfail: 'green',
  fail: 'red',
  xpass: 'red',
  error: 'red',
  inconclusive: 'yellow',
  flaky: 'yellow',
  skip: 'yellow',
};

export function paintVerdict(verdict: Verdict, paint: Paint): string {
  return paint(VERDICT_STYLES[verdict], verdict);
}
