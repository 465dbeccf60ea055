import { closeSync, createReadStream, openSync, writeSync } from 'node:fs';
import type { RunPlan } from '../config/run-plan.ts';
import { SyncproofError } from '../core/errors.ts';
import { monotonicMs } from '../core/time.ts';
import type { HistoryRecord, NewRecord, RunStarted } from './history.ts';

/** Where a part of the harness records what it did; bound to a case by `forCase`. */
export interface Recorder {
  /** Milliseconds since the run started. */
  now(): number;
  record(entry: NewRecord): void;
  forCase(key: string): Recorder;
}

export interface HistoryWriter extends Recorder, Disposable {
  /** Writes a record that carries its own case key. */
  write(entry: HistoryRecord): void;
}

/**
 * Appends to a history file. Several processes may append to one file: each record is one `write` call on a
 * descriptor opened with O_APPEND, which POSIX makes atomic with regard to the file's end.
 * @param originMs the run's start on the monotonic clock, see `monotonicMs`
 */
export function openHistory(path: string, originMs: number): HistoryWriter {
  const descriptor = openSync(path, 'a', 0o644);
  let open = true;
  const now = (): number => Math.round((monotonicMs() - originMs) * 1000) / 1000;
  const write = (entry: HistoryRecord): void => {
    if (open) writeSync(descriptor, `${JSON.stringify(entry)}\n`);
  };
  const recorder = (key?: string): Recorder => ({
    now,
    record: (entry) =>
      write({ ...entry, at: entry.at ?? now(), ...(key === undefined ? {} : { case: key }) } as HistoryRecord),
    forCase: (next) => recorder(next),
  });
  return {
    ...recorder(),
    write,
    [Symbol.dispose]() {
      if (!open) return;
      open = false;
      closeSync(descriptor);
    },
  };
}

/** Keeps records in memory: for unit tests, and for measuring without a file. */
export function memoryRecorder(originMs = monotonicMs()): Recorder & { records: HistoryRecord[] } {
  const records: HistoryRecord[] = [];
  const now = (): number => monotonicMs() - originMs;
  const recorder = (key?: string): Recorder => ({
    now,
    record: (entry) => {
      records.push({ ...entry, at: entry.at ?? now(), ...(key === undefined ? {} : { case: key }) } as HistoryRecord);
    },
    forCase: (next) => recorder(next),
  });
  return { ...recorder(), records };
}

export interface ReadOptions {
  /** Told the number of each line, from 1, before its record is given. */
  onLine?: (lineNumber: number) => void;
  /** Told of a torn last line, with its number. */
  onTorn?: (lineNumber: number) => void;
  /** No more lines than these are read. */
  linesMax?: number;
}

/** A line of a history is none, and others follow it. */
export class BrokenHistoryError extends SyncproofError {
  /** From 1. */
  readonly lineNumber: number;

  constructor(path: string, lineNumber: number, cause: unknown) {
    super(`${path}:${lineNumber} is not a history record`, { cause });
    this.lineNumber = lineNumber;
  }
}

/**
 * Reads a history line by line. A torn last line (the writer was killed) is left out.
 * @throws BrokenHistoryError for an earlier one
 */
export async function* readHistory(
  path: string,
  { onLine, onTorn, linesMax = Number.POSITIVE_INFINITY }: ReadOptions = {},
): AsyncGenerator<HistoryRecord> {
  let number = 0;
  let broken: { number: number; cause: unknown } | undefined;
  for await (const line of linesOf(path)) {
    if (number >= linesMax) return;
    number++;
    onLine?.(number);
    if (broken) throw new BrokenHistoryError(path, broken.number, broken.cause);
    if (line.trim() === '') continue;
    let entry: HistoryRecord;
    try {
      entry = JSON.parse(line);
      if (typeof entry?.at !== 'number' || typeof entry.type !== 'string') throw new TypeError('no record');
    } catch (cause) {
      broken = { number, cause };
      continue;
    }
    yield entry.type === 'run-started' ? withPlan(entry) : entry;
  }
  if (broken) onTorn?.(broken.number);
}

/** Only LF ends a line. Node's readline takes U+2028 and U+2029 for ends, too, and JSON leaves these as they are. */
async function* linesOf(path: string): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of createReadStream(path, 'utf8')) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  if (rest !== '') yield rest;
}

/** What the beginning of a run said before runs had plans: the same facts, beside each other. */
type FlatFacts = Pick<RunPlan, 'seed' | 'profile' | 'environment' | 'soak'> &
  Partial<Pick<RunPlan, 'retries' | 'allowPartial'>>;

/** The beginning of a run, with the plan that it followed, also where an older version recorded it. */
function withPlan(started: RunStarted): RunStarted {
  if (started.plan !== undefined) return started;
  const { seed, profile, environment, soak, retries = 0, allowPartial = false } = started as unknown as FlatFacts;
  const plan: RunPlan = {
    environment,
    reason: 'as recorded',
    profile,
    seed,
    cases: [...started.selected],
    target: started.target?.file,
    retries,
    allowPartial,
    keep: false,
    soak,
  };
  return { ...started, plan };
}
