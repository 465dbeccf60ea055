import { type Fault, groupState, monotonicMs, pendingEntries } from '../../harness/index.ts';
import { CONSUMER_GROUP, EVENT_STREAM_NAME } from '../../services/contract/names.ts';
import type { CaseContext } from '../runner/case.ts';
import { suite } from '../runner/suite.ts';
import {
  abandonTrimmed,
  awaitSettled,
  demandDrained,
  leavePending,
  realConsumers,
  takeOverMs,
} from '../steps/consumers.ts';
import { addEvents, CraftedFile } from '../steps/crafted-events.ts';
import { isAfter } from '../steps/events.ts';
import { consistently, eventually } from '../steps/eventually.ts';
import { publishSome } from '../steps/publishing.ts';
import { lockReadModel, takeAwayRows } from '../steps/read-model.ts';
import { awaitSearchable } from '../steps/steps.ts';
import { demand, demandEqual } from '../steps/violation.ts';
import { CONSUMER } from './requirements.ts';

const verify = suite(CONSUMER);

verify('CON-01', 'A delivered event is acknowledged only after its row is committed.', acknowledgesWhatIsCommitted);
verify('CON-02/abandoned', 'A delivery left pending by a dead consumer is taken over and applied.', (t) =>
  isTakenOver(t),
);
verify(
  'CON-02/own',
  'An old delivery of the running consumer itself, whose reply it never saw, is applied.',
  takesUpItsOwn,
);
verify(
  'CON-09',
  'However many busy pending entries there are, they do not hide an abandoned one behind them.',
  findsTheAbandoned,
);
verify(
  'CON-11/abandoned',
  'Pending entries of a dead consumer that were trimmed away do no harm, and drain.',
  getsOverAbandonedTrimmed,
);
verify(
  'CON-11/own',
  'A restarted consumer copes with its own pending entries that were trimmed away.',
  getsOverItsOwnTrimmed,
);

const FILES = 10;
/** How long nothing may be acknowledged: a consumer that does not wait for its commit needs milliseconds. */
const LOCKED_MS = 1500;

async function acknowledgesWhatIsCommitted(t: CaseContext): Promise<void> {
  const { fileIds, entryIds, killed } = await killWhileLocked(t);
  await using _fault = killed;
  await killed.heal();
  const waiting = { timeoutMs: takeOverMs(t), signal: t.signal };
  await Promise.all(fileIds.map((id) => awaitSearchable(t.pipeline, id, waiting)));
  await awaitSettled(t, entryIds);
  t.evidence.applied = fileIds.length;
}

/** Kills the consumer while it holds entries and cannot commit their rows, because the table is locked; then unlocks. */
async function killWhileLocked(t: CaseContext): Promise<{ fileIds: string[]; entryIds: string[]; killed: Fault }> {
  const { env, redis, faults, evidence, signal } = t;
  await using _lock = await lockReadModel(env);
  const { fileIds, entryIds } = await publishSome(t, 'locked', FILES);
  const [first = ''] = entryIds;
  const held = async (): Promise<number> => {
    // In this order: what is delivered after the first look is not missed in the second.
    const { lastDeliveredId = '0' } = (await groupState(redis)) ?? {};
    const pending = new Set((await pendingEntries(redis)).map(({ id }) => id));
    const delivered = entryIds.filter((id) => !isAfter(id, lastDeliveredId));
    const gone = delivered.filter((id) => !pending.has(id));
    demand(
      gone.length === 0,
      () =>
        `${gone.length} of ${delivered.length} delivered entries are no longer pending, although their rows cannot be committed: the table is locked`,
    );
    return delivered.length;
  };
  const what = 'The first event delivered while the table is locked';
  const probe = async (): Promise<true | undefined> =>
    isAfter(first, (await groupState(redis))?.lastDeliveredId ?? '0') ? undefined : true;
  await eventually(what, probe, { timeoutMs: env.limits.syncMs, signal });
  const look = async (): Promise<void> => {
    evidence.delivered = await held();
  };
  evidence.looks = await consistently(look, { forMs: LOCKED_MS, everyMs: 50, signal });
  const killed = await faults.query.kill();
  evidence.delivered = await held();
  return { fileIds, entryIds, killed };
}

async function takesUpItsOwn(t: CaseContext): Promise<void> {
  const [owner] = await realConsumers(t);
  if (owner === undefined) throw new Error('The group has no consumer');
  await isTakenOver(t, owner);
}

/** Entries that a consumer received and never processed are applied all the same: their rows are not there. */
async function isTakenOver(t: CaseContext, owner?: string): Promise<void> {
  const { fileIds, entryIds } = await publishSome(t, 'held', FILES);
  await takeAwayRows(t, fileIds);
  await demandDrained(t);
  const heldFrom = monotonicMs();
  await leavePending(t, entryIds, { owner });
  await awaitSettled(t, entryIds);
  t.evidence.tookOverMs = Math.round(monotonicMs() - heldFrom);
  const waiting = { timeoutMs: t.env.limits.syncMs, signal: t.signal };
  for (const id of fileIds) await awaitSearchable(t.pipeline, id, waiting);
  t.evidence.takenOver = entryIds.length;
}

/** A consumer that works at what it holds. */
const BUSY = 'syncproof-busy';
/** More than a scan of the list sees at a time: XAUTOCLAIM looks at ten times as many entries as it may claim. */
const BUSY_ENTRIES = 6000;

async function findsTheAbandoned(t: CaseContext): Promise<void> {
  const { env, redis, evidence, unique } = t;
  const { pendingRetryMs, streamEntriesMax } = env.limits;
  const count = Math.min(BUSY_ENTRIES, Math.floor(streamEntriesMax / 2));
  // Deletions of a file that never was: small, and no matter how often they come.
  const deletion = new CraftedFile(`${unique}-never-was.txt`, 'versions').deleted(1);
  const busyIds = await addEvents(
    redis,
    Array.from({ length: count }, () => deletion),
  );
  const [agedId = ''] = await addEvents(redis, [new CraftedFile(`${unique}.txt`, 'versions').created()]);
  await demandDrained(t, takeOverMs(t));

  const young = { owner: BUSY, idleMs: 0 };
  await leavePending(t, busyIds, young);
  let youngUntil = monotonicMs() + pendingRetryMs / 2;
  await leavePending(t, [agedId]);
  await awaitSettled(t, [agedId], {
    meanwhile: async () => {
      if (monotonicMs() < youngUntil) return;
      await leavePending(t, busyIds, young);
      youngUntil = monotonicMs() + pendingRetryMs / 2;
    },
  });
  const held = (await pendingEntries(redis)).filter(({ consumer }) => consumer === BUSY);
  demandEqual(held.length, busyIds.length, 'Entries that their consumer has just received, and still holds');
  for (let i = 0; i < busyIds.length; i += 1000) {
    await redis.xack(EVENT_STREAM_NAME, CONSUMER_GROUP, ...busyIds.slice(i, i + 1000));
  }
  await redis.xgroup('DELCONSUMER', EVENT_STREAM_NAME, CONSUMER_GROUP, BUSY);
  evidence.busy = held.length;
}

async function getsOverAbandonedTrimmed(t: CaseContext): Promise<void> {
  const { fileIds, entryIds } = await publishSome(t, 'trimmed', FILES);
  const waiting = { timeoutMs: t.env.limits.syncMs, signal: t.signal };
  await Promise.all(fileIds.map((id) => awaitSearchable(t.pipeline, id, waiting)));
  await awaitSettled(t, entryIds);
  await abandonTrimmed(t, entryIds);
  await goesOn(t, entryIds);
}

async function getsOverItsOwnTrimmed(t: CaseContext): Promise<void> {
  const { faults } = t;
  const { entryIds } = await publishSome(t, 'trimmed', FILES);
  await demandDrained(t);
  const [owner = ''] = await realConsumers(t);
  await using killed = await faults.query.kill();
  await abandonTrimmed(t, entryIds, { owner });
  await killed.heal();
  await goesOn(t, entryIds);
}

/** The list drains of entries that are gone from the stream, and later events are applied. */
async function goesOn(t: CaseContext, trimmedIds: readonly string[]): Promise<void> {
  await awaitSettled(t, trimmedIds);
  t.evidence.trimmed = trimmedIds.length;
  const { fileIds } = await publishSome(t, 'later', FILES);
  const waiting = { timeoutMs: t.env.limits.syncMs, signal: t.signal };
  for (const id of fileIds) await awaitSearchable(t.pipeline, id, waiting);
  t.evidence.later = fileIds.length;
}
