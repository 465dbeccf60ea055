import type { Capability } from '../../harness/contract/capabilities.ts';
import { type Fault, groupState, InconclusiveError, type PipelineClient, pollUntil } from '../../harness/index.ts';
import { awaitAllAlike, demandAlike } from './alike.ts';
import type { CaseContext } from './case.ts';
import { ChangingFile } from './changing-file.ts';
import { awaitEvents, entriesAfter, isAfter, lastEventId, type StreamEntry } from './events.ts';
import { changeFiles, demandInSync, uploadSynced } from './in-sync.ts';
import { publishSome } from './published.ts';
import { lockReadModel } from './read-model.ts';
import { plainRegistration, registerPlain, remove, updateDescription } from './registrations.ts';
import { findById } from './steps.ts';
import { demand, demandEqual } from './violation.ts';
import { abandon, awaitSettled, consumersHolding, takeOverMs } from './zombies.ts';

/** A soak's own context; names are the aim's own. Further instances are there where the target can start some. */
export interface Aiming extends CaseContext {
  otherAdmin: PipelineClient | undefined;
  otherQuery: PipelineClient | undefined;
}

/** What breaks one step of the write path, drives a few files through it, and demands what must come of them. */
interface Aim {
  needs: readonly Capability[];
  /** @throws Violation naming the file; InconclusiveError when the fault was not seen to be in effect */
  act: (t: Aiming) => Promise<void>;
}

/** No promise of speed: the last round's backlog, and the load beside it, are in the way. */
const SOON_MS = 15_000;
const REPAIRED_MS = 30_000;

/**
 * Interleavings that a fault at any moment would hit once in a long while. Each comes about by something that is seen from
 * outside, not by a timer.
 */
export const AIMS = {
  'killed-before-published': { needs: ['stop redis', 'stop admin'], act: killedBeforePublished },
  'delivered-again': { needs: ['redis'], act: deliveredAgain },
  'killed-while-holding': { needs: ['redis', 'postgres', 'several query', 'stop query'], act: killedWhileHolding },
  'emptied-unread': { needs: ['stop redis', 'wipe redis', 'network redis', 'redis'], act: emptiedUnread },
  'commit-held': { needs: ['redis', 'registry'], act: commitHeld },
  'clock-stepped-back': { needs: ['registry'], act: clockSteppedBack },
  'two-publishers': { needs: ['redis', 'several admin'], act: twoPublishers },
} as const satisfies Record<string, Aim>;

/** Changes are accepted while Redis is away, and whoever accepted them dies before it is back. */
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
  await abandon(t, entryIds);
  await awaitSettled(t, entryIds, { timeoutMs: takeOverMs(t) + SOON_MS });
  for (const id of [kept, changed]) await demandAlike(t, id, 'its creation came once more');
  demand(
    (await findById(pipeline, removed)) === undefined,
    `${removed} is back: it was deleted, and its creation came once more`,
  );
}

/** A consumer is killed with entries in hand that it cannot have committed; another one has to go on with them. */
async function killedWhileHolding(t: Aiming): Promise<void> {
  const { env, redis, faults, signal } = t;
  let before: string | undefined;
  let killed: Fault;
  {
    await using _locked = await lockReadModel(env);
    before = (await groupState(redis))?.lastDeliveredId ?? '0';
    await publishSome(t, 'held', 3);
    const what = 'both consumers to hold entries that they cannot commit';
    const atLock = before;
    await pollUntil(() => consumersHolding(t, atLock), { what, timeoutMs: SOON_MS, signal }).catch((cause: unknown) => {
      throw new InconclusiveError('There was nothing to kill a consumer with', { cause });
    });
    killed = await faults.query.kill();
  }
  await using _killed = killed;
  const delivered = (await groupState(redis))?.lastDeliveredId ?? '0';
  const held = (await entriesAfter(redis, before)).filter(({ id }) => !isAfter(id, delivered));
  const others = { ...t, pipeline: t.otherQuery ?? t.pipeline };
  await awaitAllAlike(others, filesOf(held), takeOverMs(t) + SOON_MS);
}

const filesOf = (entries: readonly StreamEntry[]): string[] => [
  ...new Set(entries.flatMap(({ fields }) => fields.file_id ?? [])),
];

/** Redis loses its data with events that nobody had read. */
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

/** A transaction commits after others that began later: its event has a lower number than what is long published. */
async function commitHeld(t: Aiming): Promise<void> {
  const { redis, pipeline, faults, unique } = t;
  const before = await lastEventId(redis);
  const late = plainRegistration(`${unique}-late.txt`);
  let registering: Promise<unknown> = Promise.resolve();
  const cause = async (): Promise<unknown> => {
    registering = pipeline.register({ ...late });
    return registering;
  };
  {
    await using _gate = await faults.registry.holdCommits({ filenamePrefix: late.original_filename, cause });
    const { fileIds } = await publishSome(t, 'passing', 3);
    await awaitAllAlike(t, fileIds, SOON_MS);
  }
  await registering;
  // Whoever gave up waiting for its commit may have rolled back: then there is nothing to publish.
  if ((await pipeline.registryFile(late.file_id)).status !== 200) return;
  // Its own event, not what a later comparison with the registry makes of it.
  await awaitEvents(t, late.file_id, before, 1);
  await awaitAllAlike(t, [late.file_id], SOON_MS);
}

/** A file is written while the registry's clock is ahead, and changed once it is right again. */
async function clockSteppedBack(t: Aiming): Promise<void> {
  const { pipeline, faults, unique } = t;
  const filename = `${unique}-ahead.txt`;
  const ahead = plainRegistration(filename);
  let registering: Promise<unknown> = Promise.resolve();
  const cause = async (): Promise<unknown> => {
    registering = pipeline.register({ ...ahead });
    return registering;
  };
  {
    await using _clock = await faults.registry.clockAhead({ filenamePrefix: filename, cause });
    await registering;
    await awaitAllAlike(t, [ahead.file_id], SOON_MS);
  }
  await updateDescription(pipeline, ahead.file_id, 'after the clock was set right');
  await awaitAllAlike(t, [ahead.file_id], SOON_MS);
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
  demandEqual(await file.published(), 1, `Copies of an event of ${file.id} while nothing is broken`);
}
