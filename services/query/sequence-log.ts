import type { Pool } from '../common/postgres.ts';

/** Numbers from `from` to `to`, both included. */
export interface SequenceRange {
  from: bigint;
  to: bigint;
}

/**
 * Which of the published events the read model has processed, by their numbers, over all instances and restarts. The
 * group's own counters do not show this: they are wrong after trimming, and lost when Redis lost its data.
 */
export class SequenceLog {
  readonly #pool: Pool;
  #unwritten: SequenceRange[] = [];

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /** Events whose effect is committed, or that can never have one. Written down at the next `gaps`. */
  note(sequences: readonly bigint[]): void {
    this.#unwritten = joined([...this.#unwritten, ...sequences.map((sequence) => ({ from: sequence, to: sequence }))]);
  }

  /**
   * Writes down what was noted, and gives the numbers that are missing between those that were taken in.
   * @throws the database's error; what was noted is kept for the next time
   */
  async gaps(): Promise<SequenceRange[]> {
    const writing = this.#unwritten;
    this.#unwritten = [];
    try {
      return gapsBetween(await this.#add(writing));
    } catch (error) {
      this.#unwritten = joined([...writing, ...this.#unwritten]);
      throw error;
    }
  }

  /** Clears the gaps: the files were compared with the registry itself. */
  async fill(gaps: readonly SequenceRange[]): Promise<void> {
    await this.#add(gaps);
  }

  async #add(ranges: readonly SequenceRange[]): Promise<SequenceRange[]> {
    const text = `{${ranges.map(({ from, to }) => `[${from},${to}]`).join()}}`;
    const { rows } = await this.#pool.query<{ received: string }>(
      ranges.length === 0
        ? 'SELECT received::text FROM sync_state'
        : {
            name: 'note-sequences',
            text: 'UPDATE sync_state SET received = received + $1::int8multirange RETURNING received::text',
            values: [text],
          },
    );
    // PostgreSQL gives ranges of whole numbers as [from,to).
    return Array.from(rows[0]?.received.matchAll(/\[(\d+),(\d+)\)/g) ?? [], ([, from = '0', end = '0']) => ({
      from: BigInt(from),
      to: BigInt(end) - 1n,
    }));
  }
}

/** Sorts ranges and joins those that touch. */
function joined(ranges: readonly SequenceRange[]): SequenceRange[] {
  const result: SequenceRange[] = [];
  for (const range of ranges.toSorted((a, b) => (a.from < b.from ? -1 : 1))) {
    const last = result.at(-1);
    if (last === undefined || range.from > last.to + 1n) result.push({ ...range });
    else if (range.to > last.to) last.to = range.to;
  }
  return result;
}

function gapsBetween(ranges: readonly SequenceRange[]): SequenceRange[] {
  return ranges.slice(1).map(({ from }, index) => ({ from: (ranges[index]?.to ?? 0n) + 1n, to: from - 1n }));
}
