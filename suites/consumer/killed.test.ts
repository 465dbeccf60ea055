import {
  consumerStates,
  type Fault,
  finalReads,
  groupState,
  monotonicMs,
  pendingCount,
  pendingEntries,
  pollUntil,
} from '../../harness/index.ts';
import type { CaseContext } from '../runner/case.ts';
import { suite } from '../runner/suite.ts';
import { demandDrained } from '../steps/consumers.ts';
import { lastEventId } from '../steps/events.ts';
import { uploadSynced } from '../steps/in-sync.ts';
import { demandAllVisible, outage } from '../steps/outage.ts';
import { awaitSomebodyWaiting, lockReadModel } from '../steps/read-model.ts';
import { awaitMarker } from '../steps/registrations.ts';
import { awaitById, upload } from '../steps/steps.ts';
import { demandEqual } from '../steps/violation.ts';
import { CONSUMER } from './requirements.ts';

const verify = suite(CONSUMER);

// A long retry time, where that can be chosen: the restarted consumer has to resume with its own entries, and not
// to wait until they look abandoned.
const LONG_RETRY = { settings: { query: { REDIS_PENDING_RETRY_MS: '60000' } } };
// A short one: it is what the case of the other consumer waits for.
const SHORT_RETRY = { settings: { query: { REDIS_PENDING_RETRY_MS: '4000' } } };

verify(
  'RES-03',
  'A consumer killed in the middle of a burst and started again resumes where it was; nothing is lost.',
  resumesWhereItWas,
  { environment: LONG_RETRY },
);
verify(
  'RES-04',
  'When one of two consumers is killed, the other takes over what it held within the retry time.',
  otherTakesOver,
  { environment: SHORT_RETRY },
);

const CONVERGE_MS = 10_000;
/** A consumer that leaves entries where they are for this long is not about to take them: it reads within milliseconds. */
const STANDS_MS = 500;

async function resumesWhereItWas(t: CaseContext): Promise<void> {
  const result = await outage(t, {
    provoke: killWhileItHoldsEntries,
    uploadsPerSecond: 20,
    readsPerSecond: 150,
    faultMs: 1500,
    convergeMs: CONVERGE_MS,
  });
  demandAllVisible(result, CONVERGE_MS);
  demandEqual(await pendingCount(t.redis), 0, 'Entries delivered and not acknowledged at the end');
  await awaitMarker(t, 'after the consumer was killed');
}

/**
 * Kills the consumer at the moment that tells: it was given entries and cannot have committed them, because the read
 * model's table is locked. What it acknowledged too early is then lost.
 */
async function killWhileItHoldsEntries(t: CaseContext): Promise<Fault> {
  const { env, redis, faults, evidence, signal } = t;
  await using _locked = await lockReadModel(env);
  const atLock = (await groupState(redis))?.lastDeliveredId;
  await pollUntil(consumerHoldsEntries(redis, atLock), {
    what: 'the consumer to hold entries that it cannot commit',
    timeoutMs: 10_000,
    intervalMs: 2,
    intervalMsMax: 5,
    signal,
  });
  // Being given them and trying to commit them are moments apart, in which one that acknowledges too early does so.
  await awaitSomebodyWaiting(t, 'the consumer');
  const fault = await faults.query.kill();
  evidence.heldAtKill = await pendingCount(redis);
  return fault;
}

/**
 * True once the consumer was given entries after the lock; or, when it already held some at the lock, once it takes no
 * more although there are more: then it is waiting for the lock with them.
 */
function consumerHoldsEntries(redis: CaseContext['redis'], atLock: string | undefined) {
  let leftSince: number | undefined;
  return async (): Promise<true | undefined> => {
    if ((await groupState(redis))?.lastDeliveredId !== atLock) return true;
    if ((await lastEventId(redis)) === atLock) leftSince = undefined;
    else leftSince ??= monotonicMs();
    return leftSince !== undefined && monotonicMs() - leftSince >= STANDS_MS ? true : undefined;
  };
}

/** How long it may take until both were given something that they cannot commit. */
const BOTH_HOLD_MS = 15_000;
const UPLOADS_AFTER = 5;

async function otherTakesOver(t: CaseContext): Promise<void> {
  const { env, pipeline, redis, recorder, faults, evidence, signal } = t;
  const files = await uploadSynced(t, 3, 'before');
  // A consumer is known to the group once it was given something, so these are those of the instances that there were.
  const survivors = new Set((await consumerStates(redis)).map(({ name }) => name));
  await using second = await env.startInstance('query');
  const locked = await lockReadModel(env);
  await using unlock = new AsyncDisposableStack();
  unlock.use(locked);
  files.push(...(await uploadUntilBothHold(t, survivors)));
  await using _killed = await faults.of(second).kill();
  const killedAt = recorder.now();
  evidence.heldAtKill = (await pendingEntries(redis)).filter(({ consumer }) => !survivors.has(consumer)).length;
  for (let i = 0; i < UPLOADS_AFTER; i++) files.push(await uploadOne(t, `after-${i}`));
  await unlock.disposeAsync();

  const timeoutMs = env.limits.pendingRetryMs + env.limits.syncMs;
  const isThere = (hit: unknown): boolean => hit !== undefined;
  await Promise.all(files.map((id) => awaitById(pipeline, id, `${id} searchable`, isThere, { timeoutMs, signal })));
  evidence.allAfterMs = Math.round(recorder.now() - killedAt);
  await demandDrained(t, timeoutMs);
  evidence.uploads = files.length;
  await finalReads(pipeline, files, { signal });
}

/** Each entry is given to one of the two: uploads go on until both hold some. @returns the files' ids */
async function uploadUntilBothHold(t: CaseContext, survivors: ReadonlySet<string>): Promise<string[]> {
  const files: string[] = [];
  await pollUntil(
    async () => {
      files.push(await uploadOne(t, `burst-${files.length}`));
      const holders = (await pendingEntries(t.redis)).map(({ consumer }) => consumer);
      const [held, others] = [
        holders.filter((name) => survivors.has(name)),
        holders.filter((name) => !survivors.has(name)),
      ];
      return held.length > 0 && others.length > 0 ? true : undefined;
    },
    {
      what: 'both consumers to hold entries',
      timeoutMs: BOTH_HOLD_MS,
      intervalMs: 20,
      intervalMsMax: 20,
      signal: t.signal,
    },
  );
  return files;
}

async function uploadOne({ pipeline, unique }: CaseContext, kind: string): Promise<string> {
  const filename = `${unique}-${kind}.txt`;
  return (await upload(pipeline, { filename, content: Buffer.from(filename) })).file_id;
}
