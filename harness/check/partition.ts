import type { Completed, HistoryRecord, Invoked } from '../record/history.ts';

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

  /** First pass: who lists what. */
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

  /** Second pass. @returns undefined for what no checker asks for, or not yet */
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
    // One without an id belongs to no file; that it was acknowledged without is to be told all the same.
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
