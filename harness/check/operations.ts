import type { Completed, FileState, HistoryRecord, Invoked } from '../record/history.ts';

/** A violated guarantee: which checker saw it, on which file, in one line. */
export interface Finding {
  checker: string;
  fileId?: string;
  message: string;
}

/**
 * What is made of a history is made once, however many checkers ask for it: a history only grows, so one of the same
 * length is the same. Callers must not change what is handed out.
 */
export function oncePerHistory<T>(
  make: (records: readonly HistoryRecord[]) => T,
): (records: readonly HistoryRecord[]) => T {
  const made = new WeakMap<readonly HistoryRecord[], { length: number; value: T }>();
  return (records) => {
    const earlier = made.get(records);
    if (earlier?.length === records.length) return earlier.value;
    const value = make(records);
    made.set(records, { length: records.length, value });
    return value;
  };
}

/** An operation from its due time to its end. `end` is absent when the harness died before it. */
export interface Operation {
  invoked: Invoked;
  end?: Completed;
}

const WRITES: ReadonlySet<string> = new Set(['upload', 'register', 'update', 'delete']);

export function isWrite({ invoked }: Operation): boolean {
  return WRITES.has(invoked.kind);
}

/** Anything but a certain no: an unknown operation, or one that never ended, may have taken effect. */
export function mayHaveHappened({ end }: Operation): boolean {
  return end?.type !== 'fail';
}

/** Invocations joined with their completions, in the order of invocation, however the records were written. */
export const completeOperations = oncePerHistory((records): readonly Operation[] => {
  const operations: Operation[] = [];
  /** Begun and not ended yet: few at a time, however many there are. */
  const open = new Map<string, Operation>();
  /** Written before what they end. */
  const early = new Map<string, Completed>();
  for (const record of records) {
    if (record.type === 'invoke') {
      const end = early.get(record.op);
      early.delete(record.op);
      const operation: Operation = end === undefined ? { invoked: record } : { invoked: record, end };
      if (end === undefined) open.set(record.op, operation);
      operations.push(operation);
    } else if (record.type === 'ok' || record.type === 'fail' || record.type === 'unknown') {
      const operation = open.get(record.op);
      if (operation === undefined) early.set(record.op, record);
      else operation.end = record;
      open.delete(record.op);
    }
  }
  return operations.sort((a, b) => a.invoked.at - b.invoked.at);
});

interface Instant {
  /** Microseconds since the epoch. */
  micros: number;
  /** Decimal digits of the second that the text shows, at most 6. */
  digits: number;
}

const ISO = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:?\d\d)?$/i;

function parse(text: string): Instant | undefined {
  const [, date, time, fraction = '', zone = 'Z'] = ISO.exec(text) ?? [];
  const seconds = Date.parse(`${date}T${time}${zone}`);
  if (Number.isNaN(seconds)) return undefined;
  return { micros: seconds * 1000 + Number(fraction.slice(0, 6).padEnd(6, '0')), digits: Math.min(fraction.length, 6) };
}

/**
 * Compares two ISO 8601 timestamps as instants, to the microsecond, as far as both show them: a reader that cuts to
 * milliseconds is not wrong. Without a zone a text is UTC.
 * @returns negative when `a` is earlier, 0 when they are one instant, positive when later; NaN when one is no timestamp
 */
export function compareInstants(a: string, b: string): number {
  const [left, right] = [parse(a), parse(b)];
  if (left === undefined || right === undefined) return Number.NaN;
  const unit = 10 ** (6 - Math.min(left.digits, right.digits));
  return Math.floor(left.micros / unit) - Math.floor(right.micros / unit);
}

/** Microseconds since the epoch; digits that a text does not show are 0. NaN when it is no ISO 8601 timestamp. */
export function microsecondsOf(text: string): number {
  return parse(text)?.micros ?? Number.NaN;
}

/** What a by-id read of one file that was answered (found, or certainly not found) showed, and when. */
export interface Sighting {
  found: boolean;
  state: FileState | undefined;
  startedAt: number;
  endedAt: number;
  final: boolean;
}

/** Everything that a history says of one file, each list in the order of invocation. */
export interface FileHistory {
  fileId: string;
  /** Uploads and registrations. */
  creates: readonly Operation[];
  updates: readonly Operation[];
  deletes: readonly Operation[];
  /** By-id reads of the read model; a visibility record counts as the read that ended it, without a state. */
  reads: readonly Sighting[];
  /** Reads of the registry. */
  registryReads: readonly Sighting[];
}

type Collected = {
  [K in keyof Omit<FileHistory, 'fileId'>]: FileHistory[K] extends readonly (infer T)[] ? T[] : never;
};

/** Sorts a history by file. An upload without an acknowledgement belongs to none: no client was told its id. */
export const fileHistories = oncePerHistory((records): readonly FileHistory[] => {
  const files = new Map<string, Collected>();
  const of = (fileId: string): Collected => {
    const key = fileId.toLowerCase();
    const file = files.get(key) ?? { creates: [], updates: [], deletes: [], reads: [], registryReads: [] };
    files.set(key, file);
    return file;
  };
  for (const operation of completeOperations(records)) {
    const fileId = operation.invoked.fileId ?? operation.end?.fileId;
    if (fileId !== undefined) collect(of(fileId), operation);
  }
  for (const record of records) {
    if (record.type !== 'visibility' || record.hitAt === null) continue;
    const found = record.kind !== 'deleted';
    const { hitAt, missAt, acceptedAt } = record;
    of(record.fileId).reads.push({
      found,
      state: undefined,
      startedAt: missAt ?? acceptedAt,
      endedAt: hitAt,
      final: false,
    });
  }
  return [...files].map(([fileId, file]) => ({
    fileId,
    ...file,
    reads: file.reads.toSorted((a, b) => a.startedAt - b.startedAt),
  }));
});

function collect(file: Collected, operation: Operation): void {
  const { kind } = operation.invoked;
  if (isWrite(operation)) {
    if (kind === 'update') file.updates.push(operation);
    else if (kind === 'delete') file.deletes.push(operation);
    else file.creates.push(operation);
    return;
  }
  const sighting = sightingOf(operation);
  if (sighting === undefined) return;
  if (kind === 'read') file.reads.push(sighting);
  else if (kind === 'registry-read') file.registryReads.push(sighting);
}

function sightingOf({ invoked, end }: Operation): Sighting | undefined {
  if (end?.type !== 'ok' || end.found === undefined) return undefined;
  return { found: end.found, state: end.state, startedAt: invoked.at, endedAt: end.at, final: invoked.final === true };
}

/** The last read after healing and convergence; only it decides the final state of a file. */
export function finalOf(sightings: readonly Sighting[]): Sighting | undefined {
  return sightings.findLast(({ final }) => final);
}

/** Writes among these that were acknowledged before a time. */
export function acknowledgedBefore(operations: readonly Operation[], at: number): Operation[] {
  return operations.filter(({ end }) => end?.type === 'ok' && end.at <= at);
}

/** A search that was answered. */
export interface SearchAnswered {
  /** Lower case. */
  ids: ReadonlySet<string>;
  /** Equal for equal requests. */
  request: string;
  /** The answer lists all that match: an id that is not in it does not match. */
  isComplete: boolean;
  final: boolean;
  startedAt: number;
  endedAt: number;
}

/** The answered searches of a history, each list in the order of invocation. */
export interface Searches {
  /** By the id of a file, lower case: the answers that list it. */
  listing: ReadonlyMap<string, readonly SearchAnswered[]>;
  byRequest: ReadonlyMap<string, readonly SearchAnswered[]>;
}

export const searchesOf = oncePerHistory((records): Searches => {
  const listing = new Map<string, SearchAnswered[]>();
  const byRequest = new Map<string, SearchAnswered[]>();
  for (const search of answered(completeOperations(records))) {
    append(byRequest, search.request, search);
    for (const id of search.ids) append(listing, id, search);
  }
  return { listing, byRequest };
});

function answered(operations: readonly Operation[]): SearchAnswered[] {
  return operations.flatMap(({ invoked, end }) => {
    if (invoked.kind !== 'search' || end?.type !== 'ok' || end.ids === undefined) return [];
    return [
      {
        ids: new Set(end.ids.map((id) => id.toLowerCase())),
        request: JSON.stringify(invoked.input ?? {}),
        isComplete: end.totalCount !== undefined && end.ids.length >= end.totalCount,
        final: invoked.final === true,
        startedAt: invoked.at,
        endedAt: end.at,
      },
    ];
  });
}

function append<T>(lists: Map<string, T[]>, key: string, item: T): void {
  if (!lists.get(key)?.push(item)) lists.set(key, [item]);
}
