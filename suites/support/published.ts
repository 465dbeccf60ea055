import { fileEventSchema } from '../../harness/contract/events.ts';
import { pollUntil } from '../../harness/index.ts';
import type { CaseContext } from './case.ts';
import { awaitEvents, eventsOf, lastEventId, type StreamEntry } from './events.ts';
import { registerPlain } from './registrations.ts';
import { conforms, demand, promised } from './violation.ts';

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
export const DELETION = 'deletion';

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
  timeoutMs = env.promises.syncMs,
): Promise<StreamEntry[]> {
  const what = `The event of ${change} of ${fileId} on the stream`;
  const probe = async (): Promise<StreamEntry[] | undefined> => {
    const entries = await eventsOf(redis, fileId, afterId);
    return entries.some((entry) => changeOf(entry) === change) ? entries : undefined;
  };
  return promised(what, pollUntil(probe, { what, timeoutMs, signal }));
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
