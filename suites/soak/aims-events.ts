import { setInterval } from 'node:timers/promises';
import {
  DeadlineError,
  type Fault,
  groupState,
  InconclusiveError,
  pendingEntries,
  pollUntil,
} from '../../harness/index.ts';
import { fileEventSchema } from '../../services/contract/events.ts';
import { awaitAllAlike, demandAlike } from '../steps/alike.ts';
import { awaitSettled, consumersHolding, leavePending, takeOverMs } from '../steps/consumers.ts';
import { awaitEvents, entriesAfter, isAfter, lastEventId, type StreamEntry } from '../steps/events.ts';
import { changeFiles, demandInSync, uploadSynced } from '../steps/in-sync.ts';
import { ChangingFile, publishSome } from '../steps/publishing.ts';
import { lockReadModel } from '../steps/read-model.ts';
import { registerPlain, remove, updateDescription } from '../steps/registrations.ts';
import { findById, instant } from '../steps/steps.ts';
import { conforms, demand, demandEqual } from '../steps/violation.ts';
import { type Aim, type Aiming, type End, filesOf, killAll, REPAIRED_MS, SOON_MS } from './aim.ts';

const EVERY_MS = 20;

export interface Registering extends AsyncDisposable {
  /**
   * Ends it once the registration in progress is answered. @returns the files' ids @throws what a registration threw
   */
  stop(): Promise<string[]>;
}

/** Registers one file after the other, so that publishers and consumers always have something of this aim in hand. */
function keepRegistering({ pipeline, unique, signal }: Aiming): Registering {
  const over = new AbortController();
  const fileIds: string[] = [];
  const run = async (): Promise<string[]> => {
    for await (const _tick of setInterval(EVERY_MS, undefined, { signal })) {
      if (over.signal.aborted) break;
      fileIds.push((await registerPlain(pipeline, `${unique}-one-of-many-${fileIds.length}.txt`)).file_id);
    }
    return fileIds;
  };
  const running = run();
  // Handled by the caller that stops it.
  running.catch(() => {});
  const stop = (): Promise<string[]> => {
    over.abort();
    return running;
  };
  return {
    stop,
    async [Symbol.asyncDispose]() {
      await stop().catch(() => {});
    },
  };
}

/** Steps 5 and 6: the relay publishes what is committed, and marks it as published. */
export const PUBLISHING_AIMS = {
  'killed-before-published': { needs: ['stop redis', 'stop admin'], act: killedBeforePublished },
  'admin-killed-publishing': { needs: ['redis', 'network redis', 'stop admin'], act: adminKilledPublishing },
  'two-publishers': { needs: ['redis', 'multiple-admin-instances'], act: twoPublishers },
} as const satisfies Record<string, Aim>;

/** Changes are accepted during a Redis outage, and admin is killed before Redis recovers. */
async function killedBeforePublished(t: Aiming): Promise<void> {
  const { pipeline, faults, unique } = t;
  await using away = await faults.redis.kill();
  const names = Array.from({ length: 3 }, (_, i) => `${unique}-${i}.txt`);
  const files = await Promise.all(names.map((name) => registerPlain(pipeline, name)));
  await using killed = await faults.admin.kill();
  await away.heal();
  await killed.heal();
  await awaitAllAlike(
    t,
    files.map(({ file_id }) => file_id),
    SOON_MS,
  );
}

/** More than are lost until the aim is over. */
const REPLIES = 10_000;

/** Events are on the stream, the publisher receives no reply and is killed: they are not marked as published. */
async function adminKilledPublishing(t: Aiming): Promise<void> {
  const { redis, faults } = t;
  const before = await lastEventId(redis);
  await using registering = keepRegistering(t);
  const choice = { client: 'admin', server: 'redis', count: REPLIES, command: 'XADD' } as const;
  await using losing = await faults.network.loseReplies(choice);
  const own = await registering.stop();
  await using killed = await killAll(t, 'admin');
  const sent = await entriesAfter(redis, before);
  await losing.heal();
  await killed.heal();
  // No change was accepted meanwhile: all that was due comes at once, to processes that have just begun.
  await awaitAllAlike(t, [...new Set([...own, ...filesOf(sent)])], REPAIRED_MS);
  for (const id of own) await awaitEvents(t, id, before, 1);
}

const UPDATES = 10;

/** Two instances write in turns, and nothing is broken: each event is published, in its order, and once. */
async function twoPublishers(t: Aiming): Promise<void> {
  const { pipeline, otherAdmin } = t;
  // The one that publishes may still be at what the last round left undone.
  const first = await registerPlain(pipeline, `${t.unique}-first.txt`);
  await awaitAllAlike(t, [first.file_id], SOON_MS);
  const file = await ChangingFile.register(t, 'by-two');
  for (let i = 0; i < UPDATES; i++) await file.update(i % 2 === 0 ? otherAdmin : pipeline);
  demandEqual(await file.published(), 1, `Copies of an event of ${file.id} without a fault`);
}

const CONSUMERS = ['redis', 'postgres', 'multiple-query-instances', 'stop query'] as const;

/** Steps 7 to 9: query's consumer reads, commits its rows, and acknowledges. */
export const CONSUMING_AIMS = {
  'delivered-again': { needs: ['redis'], act: deliveredAgain },
  'killed-while-holding': { needs: CONSUMERS, act: (t) => endedWhileHolding(t, 'kill') },
  'query-stopped-while-holding': { needs: CONSUMERS, act: (t) => endedWhileHolding(t, 'stop') },
  'query-killed-reading': { needs: ['redis', 'network redis', 'stop query'], act: queryKilledReading },
  'query-killed-before-acknowledging': {
    needs: ['redis', 'network redis', 'stop query'],
    act: queryKilledBeforeAcknowledging,
  },
  'emptied-unread': { needs: ['stop redis', 'wipe redis', 'network redis', 'redis'], act: emptiedUnread },
} as const satisfies Record<string, Aim>;

/** Creations are delivered once more, long after what followed them: an update of one file, the deletion of another. */
async function deliveredAgain(t: Aiming): Promise<void> {
  const { pipeline } = t;
  const { fileIds, entryIds } = await publishSome(t, 'again', 3);
  const [kept = '', changed = '', removed = ''] = fileIds;
  await awaitAllAlike(t, fileIds, SOON_MS);
  await updateDescription(pipeline, changed, 'changed');
  await remove(pipeline, removed);
  await awaitAllAlike(t, fileIds, SOON_MS);
  // An acknowledgement that is on its way would undo what follows.
  await awaitSettled(t, entryIds, { timeoutMs: SOON_MS });
  await leavePending(t, entryIds);
  await awaitSettled(t, entryIds, { timeoutMs: takeOverMs(t) + SOON_MS });
  for (const id of [kept, changed]) await demandAlike(t, id, 'its creation was delivered again');
  demand(
    (await findById(pipeline, removed)) === undefined,
    `${removed} reappeared: it was deleted, and its creation was delivered again`,
  );
}

/** A consumer ends with entries in hand that it cannot have committed; another one has to take them over. */
async function endedWhileHolding(t: Aiming, end: End): Promise<void> {
  const { env, faults, signal } = t;
  let before: string | undefined;
  let ended: Fault;
  {
    await using _locked = await lockReadModel(env);
    before = await lastDelivered(t);
    await publishSome(t, 'held', 3);
    const what = 'both consumers to hold entries that they cannot commit';
    const atLock = before;
    await pollUntil(() => consumersHolding(t, atLock), { what, timeoutMs: SOON_MS, signal }).catch((cause: unknown) => {
      throw new InconclusiveError('There was no way to stop a consumer', { cause });
    });
    ended = await faults.query[end]();
  }
  await using _ended = ended;
  const held = await deliveredAfter(t, before);
  const others = { ...t, pipeline: t.otherQuery ?? t.pipeline };
  await awaitAllAlike(others, filesOf(held), takeOverMs(t) + SOON_MS);
}

/** How long it may take until consumers are where they are wanted: they read all the time. */
const REACHED_MS = 5000;
/** A consumer that received entries never leaves them pending for two observations. */
const LOOK_EVERY_MS = 200;

/** Redis has delivered entries, the consumers receive no reply and are killed. */
async function queryKilledReading(t: Aiming): Promise<void> {
  const { faults, signal } = t;
  const before = await lastDelivered(t);
  await using registering = keepRegistering(t);
  const choice = { client: 'query', server: 'redis', count: REPLIES, command: 'XREADGROUP' } as const;
  await using losing = await faults.network.loseReplies(choice);
  let last: string[] = [];
  const probe = async (): Promise<StreamEntry[] | undefined> => {
    const entries = await deliveredAfter(t, before);
    const lying = entries.filter(({ id }) => last.includes(id));
    last = entries.map(({ id }) => id);
    for (const entry of lying) if (!(await isApplied(t, entry))) return entries;
    return undefined;
  };
  const held = await pollUntil(probe, {
    what: 'entries whose delivery got lost',
    timeoutMs: REACHED_MS,
    intervalMs: LOOK_EVERY_MS,
    intervalMsMax: LOOK_EVERY_MS,
    signal,
  }).catch(nothingHeld);
  const own = await registering.stop();
  await using killed = await killAll(t, 'query');
  await losing.heal();
  await killed.heal();
  await demandNothingLost(t, held, own);
}

/** The rows are committed, the acknowledgement is dropped by the network, and the consumers die with their hosts. */
async function queryKilledBeforeAcknowledging(t: Aiming): Promise<void> {
  const before = await lastDelivered(t);
  await using registering = keepRegistering(t);
  const { cut, held } = await cutOffCommitted(t, before);
  await using _cut = cut;
  const own = await registering.stop();
  await using killed = await killAll(t, 'query');
  // Else what they sent would arrive after all, now that the wire passes again.
  for (const { client, server, proxy } of t.env.links) {
    if (client === 'query' && server === 'redis') proxy.forgetOpen();
  }
  await cut.heal();
  await killed.heal();
  await demandNothingLost(t, held, own);
}

const CUTS_MAX = 5;
/** A consumer that received something has committed it by then. */
const COMMITTED_MS = 1500;

/**
 * Swallows what the consumers send until there are entries that are committed and not acknowledged. What was asked before
 * is still answered, so each consumer comes to commit what it is given, and then no further; unless it was cut off with
 * empty hands, between an acknowledgement and the next read: then the cut is healed, and made once more.
 */
async function cutOffCommitted(t: Aiming, before: string): Promise<{ cut: Fault; held: StreamEntry[] }> {
  const probe = async (): Promise<StreamEntry[] | undefined> => {
    const entries = await pendingAfter(t, before);
    for (const entry of entries) if (await isApplied(t, entry)) return entries;
    return undefined;
  };
  const what = 'entries that are committed and not acknowledged';
  for (let cuts = 1; ; cuts++) {
    await awaitDelivery(t);
    const cut = await t.faults.network.blackhole({ client: 'query', server: 'redis', only: 'requests' });
    try {
      return { cut, held: await pollUntil(probe, { what, timeoutMs: COMMITTED_MS, signal: t.signal }) };
    } catch (error) {
      await cut.heal();
      if (!(error instanceof DeadlineError) || cuts >= CUTS_MAX) nothingHeld(error);
    }
  }
}

function nothingHeld(cause: unknown): never {
  throw new InconclusiveError('There was no way to kill a consumer', { cause });
}

/** Entries that were delivered in the meantime are settled, and the read model is what the registry is. */
async function demandNothingLost(t: Aiming, held: readonly StreamEntry[], own: readonly string[]): Promise<void> {
  const entryIds = held.map(({ id }) => id);
  await awaitSettled(t, entryIds, { timeoutMs: takeOverMs(t) + SOON_MS });
  await awaitAllAlike(t, [...new Set([...own, ...filesOf(held)])], SOON_MS);
}

/** Up to where the stream was delivered: a group that is behind is given what was published long ago. */
async function lastDelivered({ redis }: Aiming): Promise<string> {
  return (await groupState(redis))?.lastDeliveredId ?? '0';
}

/** Waits until a consumer receives something: consumers that were cut off do not read at once. */
async function awaitDelivery(t: Aiming): Promise<void> {
  const before = await lastDelivered(t);
  const moved = async (): Promise<true | undefined> => (isAfter(await lastDelivered(t), before) ? true : undefined);
  const pace = { intervalMs: 2, growth: 1, signal: t.signal };
  await pollUntil(moved, { what: 'something delivered', timeoutMs: REACHED_MS, ...pace }).catch(nothingHeld);
}

/** Entries after `afterId` that were delivered. */
async function deliveredAfter(t: Aiming, afterId: string): Promise<StreamEntry[]> {
  const delivered = await lastDelivered(t);
  return (await entriesAfter(t.redis, afterId)).filter(({ id }) => !isAfter(id, delivered));
}

/** Those of them that were not acknowledged. */
async function pendingAfter(t: Aiming, afterId: string): Promise<StreamEntry[]> {
  const pending = new Set((await pendingEntries(t.redis)).map(({ id }) => id));
  return (await deliveredAfter(t, afterId)).filter(({ id }) => pending.has(id));
}

/** Whether the read model shows what an entry tells, or something later. */
async function isApplied({ pipeline }: Aiming, { id, fields }: StreamEntry): Promise<boolean> {
  const event = conforms(fileEventSchema, fields, `The event ${id}`);
  const hit = await findById(pipeline, event.file_id);
  if (event.event_type === 'file:deleted') return hit === undefined;
  return hit !== undefined && (instant(hit.updated_at) ?? 0) >= (instant(event.metadata.updated_at) ?? 0);
}

/** Redis loses its data, unread events included. */
async function emptiedUnread(t: Aiming): Promise<void> {
  const { redis, faults } = t;
  const files = await uploadSynced(t, 6, 'emptied');
  await using away = await faults.network.refuse({ client: 'query', server: 'redis' });
  const before = await lastEventId(redis);
  const changed = await changeFiles(t, { update: files.slice(0, 2), remove: files.slice(2, 4), create: 2 });
  for (const id of Object.values(changed).flat()) await awaitEvents(t, id, before, 1);
  await using empty = await faults.redis.kill({ data: 'lose' });
  await empty.heal();
  await away.heal();
  const all = { ...changed, updated: [...changed.updated, ...files.slice(4)] };
  await demandInSync(t, all, { timeoutMs: REPAIRED_MS, what: 'The read model equal to the registry after the loss' });
}
