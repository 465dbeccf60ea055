import type { PipelineClient } from '../../harness/index.ts';
import { fileEventSchema } from '../../services/contract/events.ts';
import type { CaseContext } from '../runner/case.ts';
import { awaitEvents, eventsOf, lastEventId, type StreamEntry } from './events.ts';
import { eventually } from './eventually.ts';
import { registerPlain, remove, updateDescription } from './registrations.ts';
import { awaitById } from './steps.ts';
import { conforms, demand } from './violation.ts';

/** Registers some files and waits until they are on the stream. @returns their ids, and those of their entries */
export async function publishSome(
  t: CaseContext,
  kind: string,
  count: number,
): Promise<{ fileIds: string[]; entryIds: string[] }> {
  const before = await lastEventId(t.redis);
  const fileIds: string[] = [];
  for (let i = 0; i < count; i++)
    fileIds.push((await registerPlain(t.pipeline, `${t.unique}-${kind}-${i}.txt`)).file_id);
  const entries = await Promise.all(fileIds.map((id) => awaitEvents(t, id, before, 1)));
  return { fileIds, entryIds: entries.flat().map(({ id }) => id) };
}

/** What `changeOf` says of a deletion. */
const DELETION = 'deletion';

/** Which change of its file an entry tells of: the description is what tests know each by, since each gives another. */
export function changeOf({ id, fields }: StreamEntry): string {
  const event = conforms(fileEventSchema, fields, `The event ${id}`);
  return event.event_type === 'file:deleted' ? DELETION : (event.metadata.description ?? 'no description');
}

/**
 * Waits until a change of a file is on the stream after `afterId`, and gives all events of the file.
 * @throws Violation when it is not there in time, by default within the sync budget
 */
export function awaitChange(
  { env, redis, signal }: CaseContext,
  fileId: string,
  afterId: string,
  change: string,
  timeoutMs = env.limits.syncMs,
): Promise<StreamEntry[]> {
  const what = `The event of ${change} of ${fileId} on the stream`;
  const probe = async (): Promise<StreamEntry[] | undefined> => {
    const entries = await eventsOf(redis, fileId, afterId);
    return entries.some((entry) => changeOf(entry) === change) ? entries : undefined;
  };
  return eventually(what, probe, { timeoutMs, signal });
}

/**
 * Holds the entries of one file against its changes, in the order of their commits. A publisher that was not answered may
 * send again what it sent last, so copies are counted, not forbidden; but with the last copies out of order a consumer
 * that takes them as they come would end in an old state, and with the first ones it would pass through one.
 * @returns how many copies there are of the event that has most
 * @throws Violation unless each change is on the stream, with both first and last copies in this order
 */
export function demandInOrder(entries: readonly StreamEntry[], changes: readonly string[]): number {
  const wanted = new Set(changes);
  const seen = entries.map(changeOf).filter((change) => wanted.has(change));
  const missing = changes.filter((change) => !seen.includes(change));
  demand(
    missing.length === 0,
    () =>
      `${missing.length} of ${changes.length} committed changes have no event on the stream, the first: ${missing[0]}`,
  );
  for (const [which, order] of [
    ['first', [...new Set(seen)]],
    ['last', [...new Set(seen.toReversed())].toReversed()],
  ] as const) {
    const at = order.findIndex((change, i) => change !== changes[i]);
    demand(
      at === -1,
      () =>
        `Of ${changes.length} changes, the ${which} event of "${order[at]}" is on the stream before that of "${changes[at]}", which was committed earlier`,
    );
  }
  return Math.max(
    ...Map.groupBy(seen, (change) => change)
      .values()
      .map((copies) => copies.length),
  );
}

/**
 * A registered file that is changed step by step. Every change has a description of its own and waits for its answer, so
 * the order of the commits is known: what is published is held against it.
 */
export class ChangingFile {
  readonly id: string;
  readonly #t: CaseContext;
  readonly #before: string;
  readonly #changes = [CREATION];

  private constructor(t: CaseContext, id: string, before: string) {
    this.#t = t;
    this.id = id;
    this.#before = before;
  }

  /** Registers a file; what its events are looked for after is the stream's end at `before`, by default now. */
  static async register(t: CaseContext, name: string, before?: string): Promise<ChangingFile> {
    const from = before ?? (await lastEventId(t.redis));
    const { file_id } = await registerPlain(t.pipeline, `${t.unique}-${name}.txt`, { description: CREATION });
    return new ChangingFile(t, file_id, from);
  }

  /** How many changes were committed, the creation included. */
  get changes(): number {
    return this.#changes.length;
  }

  async update(admin: PipelineClient = this.#t.pipeline): Promise<void> {
    const change = `update ${this.#changes.length}`;
    await updateDescription(admin, this.id, change);
    this.#changes.push(change);
  }

  async remove(): Promise<void> {
    await remove(this.#t.pipeline, this.id);
    this.#changes.push(DELETION);
  }

  /**
   * Waits until the newest change is published and search shows it.
   * @returns how many copies the stream has of the change that it has most of
   * @throws Violation when that takes longer than `timeoutMs`, and unless all changes are on the stream, in their order
   */
  async published(timeoutMs = this.#t.env.limits.syncMs): Promise<number> {
    const { pipeline, signal } = this.#t;
    const changes = [...this.#changes];
    const newest = changes.at(-1) ?? CREATION;
    const copies = demandInOrder(await awaitChange(this.#t, this.id, this.#before, newest, timeoutMs), changes);
    const description = newest === DELETION ? undefined : newest;
    const what = `${newest} of ${this.id} searchable`;
    await awaitById(pipeline, this.id, what, (hit) => hit?.description === description, { timeoutMs, signal });
    return copies;
  }
}

const CREATION = 'creation';
