import { InconclusiveError } from '../core/errors.ts';
import type { Completed, HistoryRecord, Invoked } from '../record/history.ts';
import { findDuplicated, findLost, findPhantoms, findResurrected, findStale, findVanished } from './finders.ts';
import {
  completeOperations,
  type FileHistory,
  type Finding,
  fileHistories,
  type Operation,
  type Sighting,
} from './operations.ts';
import { findDiverged, findPhantomValues } from './values.ts';

const CHECKERS = [
  findLost,
  findPhantoms,
  findPhantomValues,
  findResurrected,
  findStale,
  findVanished,
  findDuplicated,
  findDiverged,
];

/**
 * Runs every checker over a history, of one case or of a whole run, now or offline. Pure: the same records give the
 * same findings. No finding means little without final reads, see `requireFinalReads`.
 */
export function runCheckers(records: readonly HistoryRecord[]): Finding[] {
  return CHECKERS.flatMap((find) => find(records));
}

/**
 * Files whose creation was acknowledged, and whose final state this history does not show: after
 * the last acknowledged write there is no answered final read of both registry and read model. A file without an id in
 * its acknowledgement can never be read; it is named by its operation.
 */
export function unreadFiles(records: readonly HistoryRecord[]): string[] {
  const nameless = completeOperations(records).filter(
    ({ invoked, end }) =>
      isAcknowledged({ invoked, end }) && isCreation(invoked.kind) && idOf({ invoked, end }) === undefined,
  );
  const unread = fileHistories(records).filter((file) => file.creates.some(isAcknowledged) && !isRead(file));
  return [...nameless.map(({ invoked }) => invoked.op), ...unread.map(({ fileId }) => fileId)];
}

/**
 * A history with final reads must have them for every acknowledged file: otherwise no findings would not mean a pass.
 * One without any final read is a case that judges by other means.
 * @throws InconclusiveError saying how many files are missing
 */
export function requireFinalReads(records: readonly HistoryRecord[]): void {
  if (!records.some((record) => record.type === 'invoke' && record.final === true)) return;
  const missing = unreadFiles(records);
  if (missing.length > 0) throw missingFinalReads(missing);
}

export function missingFinalReads(files: readonly string[]): InconclusiveError {
  return new InconclusiveError(
    `${files.length} acknowledged files have no answered final read of registry and read model, e.g. ${files[0]}`,
    { facts: { missing: files.slice(0, 10) } },
  );
}

function isCreation(kind: string): boolean {
  return kind === 'upload' || kind === 'register';
}

function isAcknowledged({ end }: Operation): boolean {
  return end?.type === 'ok';
}

function idOf({ invoked, end }: Operation): string | undefined {
  return invoked.fileId ?? end?.fileId;
}

function isRead({ creates, updates, deletes, reads, registryReads }: FileHistory): boolean {
  const ends = [...creates, ...updates, ...deletes].filter(isAcknowledged).map(({ end }) => end?.at ?? 0);
  const writtenAt = Math.max(...ends);
  // One that finds the file and cannot say what it is, is no answer.
  const tells = ({ final, found, state, startedAt }: Sighting): boolean =>
    final && startedAt >= writtenAt && (!found || state !== undefined);
  return reads.some(tells) && registryReads.some(tells);
}

/** As many as the bits of an integer: the parts in which a search is wanted are a set of them. */
export const PARTS_MAX = 31;

/** Records that belong together, and the parts that they go to. */
export interface Placed {
  parts: readonly number[];
  records: readonly HistoryRecord[];
}

/**
 * Splits a history by file into parts that the checkers can be run on one after the other, with the same findings as on
 * the whole: everything of one file is in one part, and a search is in the part of every file that an equal request ever
 * listed. Goes over the records twice, and keeps of them only what is under way and a number for each request.
 */
export class HistoryPartition {
  readonly #count: number;
  /** Of each request, by its hash: the parts of the files that it listed. */
  readonly #listed = new Map<number, number>();
  /** Begun and not ended yet, or, as records were written, the other way round. */
  readonly #open = new Map<string, Invoked | Completed>();

  /** @param count 1 to `PARTS_MAX` */
  constructor(count: number) {
    this.#count = count;
  }

  /** First pass: which request lists which file. */
  learn(record: HistoryRecord): void {
    const operation = this.#joined(record);
    if (operation?.invoked.kind !== 'search') return;
    const request = requestOf(operation.invoked);
    let parts = this.#listed.get(request) ?? 0;
    for (const id of operation.end.ids ?? []) parts |= 1 << this.#partOf(id);
    this.#listed.set(request, parts);
  }

  /** Between the passes. */
  forgetUnfinished(): void {
    this.#open.clear();
  }

  /** Second pass. @returns undefined for records that no checker needs, or needs only later */
  place(record: HistoryRecord): Placed | undefined {
    if (record.type === 'visibility') return { parts: [this.#partOf(record.fileId)], records: [record] };
    const operation = this.#joined(record);
    if (operation === undefined) return undefined;
    const { invoked, end } = operation;
    const records = [invoked, end];
    if (invoked.kind === 'search') {
      const parts = this.#listed.get(requestOf(invoked)) ?? 0;
      return { parts: Array.from({ length: this.#count }, (_, i) => i).filter((i) => parts & (1 << i)), records };
    }
    // One without an id belongs to no file; that it was acknowledged without one is reported all the same.
    return { parts: [this.#partOf(invoked.fileId ?? end.fileId ?? '')], records };
  }

  /** After the second pass: what was begun and never ended. */
  unfinished(): Placed[] {
    return [...this.#open.values()].flatMap((record) =>
      record.type !== 'invoke' || record.fileId === undefined
        ? []
        : [{ parts: [this.#partOf(record.fileId)], records: [record] }],
    );
  }

  #joined(record: HistoryRecord): { invoked: Invoked; end: Completed } | undefined {
    if (record.type !== 'invoke' && record.type !== 'ok' && record.type !== 'fail' && record.type !== 'unknown') {
      return undefined;
    }
    const other = this.#open.get(record.op);
    if (other === undefined) {
      this.#open.set(record.op, record);
      return undefined;
    }
    this.#open.delete(record.op);
    if (record.type === 'invoke') return other.type === 'invoke' ? undefined : { invoked: record, end: other };
    return other.type === 'invoke' ? { invoked: other, end: record } : undefined;
  }

  #partOf(fileId: string): number {
    return hash(fileId.toLowerCase()) % this.#count;
  }
}

const requestOf = ({ input }: Invoked): number => hash(JSON.stringify(input ?? {}));

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x81_1c_9d_c5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01_00_01_93);
  return value >>> 0;
}
