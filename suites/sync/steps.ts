import { type PipelineClient, pollUntil, startOpenLoop } from '../../harness/index.ts';
import type { CaseContext } from '../runner/case.ts';
import { committed, shown } from '../steps/alike.ts';
import { inParallel } from '../steps/many.ts';
import { register, registration } from '../steps/registrations.ts';
import { findById, registered, search, searchAll } from '../steps/steps.ts';
import { demandEqual } from '../steps/violation.ts';

const CALLS_PER_SECOND = 40;
/** Fewer than connections that a service has, so that a busy machine makes calls slow and does not refuse them. */
const CALLS_AT_ONCE = 4;
const LOAD_TIMEOUT_MS = 30_000;
const READS_AT_ONCE = 4;
const PAGE_SIZE = 30;

interface Load {
  /** Instances that are queried before each change; what they keep in memory is old after it. */
  readers: Set<PipelineClient>;
  /** Every registered file; false once its deletion was accepted. */
  files: ReadonlyMap<string, boolean>;
  accepted(): number;
  searches(): number;
  /** Resolves when so many more writes were accepted. */
  writes(count: number): Promise<void>;
  stop(): Promise<void>;
}

/** Registers, updates, deletes and searches at a steady rate; any answer that is not a good one ends it. */
export function startLoad(t: CaseContext): Load {
  const { pipeline, recorder, random, unique, signal } = t;
  const readers = new Set([pipeline]);
  const files = new Map<string, boolean>();
  // Each file is changed in one way only, so that no update meets a deletion.
  const updatable: string[] = [];
  const deletable: string[] = [];
  let accepted = 0;
  let searches = 0;
  const ask = async (question: (reader: PipelineClient) => Promise<unknown>): Promise<void> => {
    const asked = [...readers].map(async (reader) => {
      try {
        await question(reader);
      } catch (error) {
        // One that was taken off meanwhile may have been killed with the question.
        if (readers.has(reader)) throw error;
      }
    });
    await Promise.all(asked);
  };
  const loop = startOpenLoop({
    recorder,
    ratePerSecond: CALLS_PER_SECOND,
    inFlightMax: CALLS_AT_ONCE,
    signal,
    act: async (index) => {
      if (index % 4 === 3) {
        await ask((reader) => search(reader, { query: unique, mode: 'partial', limit: 10 }));
        searches++;
        return;
      }
      const updated = index % 8 === 2 ? updatable[index % updatable.length] : undefined;
      const deleted = index % 8 === 6 ? deletable.shift() : undefined;
      const changed = updated ?? deleted;
      if (changed !== undefined) await ask((reader) => findById(reader, changed));
      if (updated !== undefined) {
        const { status, outcome } = await pipeline.update(updated, { description: `as of call ${index}` });
        demandEqual(status ?? outcome, 200, 'The answer to an update');
      } else if (deleted !== undefined) {
        const { status, outcome } = await pipeline.remove(deleted);
        demandEqual(status ?? outcome, 200, 'The answer to a deletion');
        files.set(deleted, false);
      } else {
        const name = `${unique}-${String(index).padStart(5, '0')}.txt`;
        const { file_id } = await register(pipeline, registration(random.fork(name), { original_filename: name }));
        files.set(file_id, true);
        (index % 2 === 0 ? updatable : deletable).push(file_id);
      }
      accepted++;
    },
  });
  return {
    readers,
    files,
    accepted: () => accepted,
    searches: () => searches,
    stop: loop.stop,
    async writes(count) {
      const target = accepted + count;
      const enough = pollUntil(() => (accepted >= target ? true : undefined), {
        what: `${count} more writes to be accepted`,
        timeoutMs: LOAD_TIMEOUT_MS,
        signal,
      });
      // A load that broke says why.
      await Promise.race([enough, loop.done]);
    },
  };
}

/** One entry per thing that was asked for, so that a difference is reported by its name. */
type Answers = Record<string, unknown>;

/** What an instance must answer: the registry's entries by id, and by name in the order of names. */
export async function registryAnswers({ pipeline }: CaseContext, files: Load['files']): Promise<Answers> {
  const ids = [...files.keys()];
  const entries = await inParallel(ids, READS_AT_ONCE, async (id) =>
    files.get(id) === true ? committed(await registered(pipeline, id)) : null,
  );
  const listed = entries.filter((entry) => entry !== null);
  listed.sort((a, b) => (String(a.filename) < String(b.filename) ? -1 : 1));
  return answers(ids, entries, listed, [listed.length]);
}

export async function answersOf(
  { unique }: CaseContext,
  client: PipelineClient,
  files: Load['files'],
): Promise<Answers> {
  const ids = [...files.keys()];
  const wanted = { query: unique, mode: 'partial', sort_by: 'filename', sort_order: 'asc' };
  const { hits, totals } = await searchAll(client, wanted, PAGE_SIZE);
  const entries = await inParallel(ids, READS_AT_ONCE, async (id) => {
    const hit = await findById(client, id);
    return hit === undefined ? null : shown(hit);
  });
  return answers(ids, entries, hits.map(shown), totals);
}

function answers(
  ids: readonly string[],
  entries: readonly unknown[],
  listed: readonly Record<string, unknown>[],
  totals: readonly number[],
): Answers {
  return {
    'total_count of every page': [...new Set(totals)],
    'names in their order': listed.map(({ filename }) => filename),
    ...Object.fromEntries(ids.map((id, index) => [`${id} by id`, entries[index]])),
    ...Object.fromEntries(listed.map((entry) => [`${entry.id} by name`, entry])),
  };
}
