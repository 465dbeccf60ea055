import { type Fault, groupState, monotonicMs, pendingCount, pollUntil } from '../../harness/index.ts';
import type { CaseContext } from '../support/case.ts';
import { lastEventId } from '../support/events.ts';
import { awaitMarker } from '../support/marker.ts';
import { lockReadModel } from '../support/read-model.ts';
import { demandAllVisible, outage } from '../support/redis-outage.ts';
import { suite } from '../support/suite.ts';
import { demandEqual } from '../support/violation.ts';

// A long retry time, where that can be chosen: the consumer that comes back has to go on with its own entries, and not
// to wait until they look abandoned.
const verify = suite({ settings: { query: { REDIS_PENDING_RETRY_MS: '60000' } } });

const CONVERGE_MS = 10_000;

/** A consumer that leaves entries where they are for this long is not about to take them: it reads within milliseconds. */
const STANDS_MS = 500;

verify('RES-03', async (t) => {
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
});

/**
 * Kills the consumer at the moment that tells: it was given entries and cannot have committed them, because the read
 * model's table is locked. What it acknowledged too early is then lost for good.
 */
async function killWhileItHoldsEntries({ env, redis, faults, evidence, signal }: CaseContext): Promise<Fault> {
  await using _locked = await lockReadModel(env);
  const atLock = (await groupState(redis))?.lastDeliveredId;
  await pollUntil(consumerHoldsEntries(redis, atLock), {
    what: 'the consumer to hold entries that it cannot commit',
    timeoutMs: 10_000,
    intervalMs: 2,
    intervalMsMax: 5,
    signal,
  });
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
