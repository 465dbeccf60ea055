import { awaitDrained, consumerStates, groupState, pendingEntries } from '../../harness/index.ts';
import { CONSUMER_GROUP, EVENT_STREAM_NAME } from '../../services/contract/names.ts';
import type { CaseContext } from '../runner/case.ts';
import { addEvents, CraftedFile } from './crafted-events.ts';
import { entriesAfter, isAfter } from './events.ts';
import { eventually } from './eventually.ts';
import { awaitSearchable } from './steps.ts';

/** A consumer of the harness: it holds entries, and never processes them. */
const ZOMBIE = 'syncproof-zombie';

/** How much longer than the retry time abandoned entries have been held: enough for any clock that counts in seconds. */
const BEYOND_MS = 1500;
const CLAIMED_AT_ONCE_MAX = 1000;
/** A consumer that was given nothing for so long under load is not there any more. */
const HOLDING_MS = 10_000;
const DELIVERED_MIN = 30;

export interface Abandonment {
  /** Who holds them. */
  owner?: string;
  /** How often they were delivered so far. */
  deliveries?: number;
  /** For how long they have been held, in ms; by default longer than the time after which they are to be taken over. */
  idleMs?: number;
}

/** The words of an XCLAIM that puts entries, acknowledged or not, into a consumer's pending entries list. */
function claimArguments(
  { env }: CaseContext,
  entryIds: readonly string[],
  { owner = ZOMBIE, deliveries = 1, idleMs = env.limits.pendingRetryMs + BEYOND_MS }: Abandonment = {},
): [string, string, ...(string | number)[]] {
  return [
    ...([EVENT_STREAM_NAME, CONSUMER_GROUP, owner, 0, ...entryIds] as const),
    ...['IDLE', idleMs, 'RETRYCOUNT', deliveries, 'FORCE', 'JUSTID'],
  ];
}

/**
 * Delivers entries of the stream once more: they are pending again, as if a consumer had received them and died. So
 * a consumer of the pipeline has to take them over, without a race and without waiting for them to age.
 * @throws when an entry is not on the stream
 */
export async function leavePending(t: CaseContext, entryIds: readonly string[], how?: Abandonment): Promise<void> {
  for (let i = 0; i < entryIds.length; i += CLAIMED_AT_ONCE_MAX) {
    const ids = entryIds.slice(i, i + CLAIMED_AT_ONCE_MAX);
    const claimed = (await t.redis.call('XCLAIM', ...claimArguments(t, ids, how))) as unknown[];
    if (claimed.length !== ids.length) throw new Error(`${ids.length - claimed.length} entries are not on the stream`);
  }
}

/**
 * The same, and in the same moment every entry is trimmed off the stream: no consumer can take them over before.
 */
export async function abandonTrimmed(t: CaseContext, entryIds: readonly string[], how?: Abandonment): Promise<void> {
  const transaction = t.redis.multi();
  transaction.call('XCLAIM', ...claimArguments(t, entryIds, how)).xtrim(EVENT_STREAM_NAME, 'MAXLEN', 0);
  const [claimed, trimmed] = (await transaction.exec()) ?? [];
  const count = Array.isArray(claimed?.[1]) ? claimed[1].length : 0;
  if (count !== entryIds.length || Number(trimmed?.[1]) < count) {
    throw new Error(`Of ${entryIds.length} entries ${count} were claimed, and ${trimmed?.[1]} trimmed`);
  }
}

/** How long it may take until abandoned entries were taken over and are done, in ms; also the interval of checks. */
export function takeOverMs({ env }: CaseContext): number {
  return env.limits.pendingRetryMs + env.limits.syncMs;
}

/**
 * Waits until none of these entries is pending any more. `meanwhile` is called at each look.
 * @throws Violation when some still are after the time in which they have to be taken over
 */
export async function awaitSettled(
  t: CaseContext,
  entryIds: readonly string[],
  { timeoutMs = takeOverMs(t), meanwhile }: { timeoutMs?: number; meanwhile?: () => Promise<void> } = {},
): Promise<void> {
  const what = `${entryIds.length} entries taken over, done and acknowledged`;
  let failure: unknown;
  const probe = async (): Promise<true | undefined> => {
    const left = await stillPending(t, entryIds);
    try {
      await meanwhile?.();
    } catch (error) {
      // What is wrong meanwhile ends the wait; a probe's own errors would only prolong it.
      failure = error;
      return true;
    }
    if (left.length === 0) return true;
    throw new Error(`${left.length} are still pending, the first held by ${left[0]?.consumer}`);
  };
  await eventually(what, probe, { timeoutMs, signal: t.signal });
  if (failure !== undefined) throw failure;
}

/** @throws Violation unless the group has been given everything, and has acknowledged it, within `timeoutMs` */
export function demandDrained({ env, redis, signal }: CaseContext, timeoutMs = env.limits.syncMs): Promise<void> {
  return eventually('Everything applied and acknowledged', awaitDrained(redis, { timeoutMs, signal }));
}

/** Those of the entries that are pending, with who holds them. */
export async function stillPending({ redis }: CaseContext, entryIds: readonly string[]) {
  const wanted = new Set(entryIds);
  return (await pendingEntries(redis)).filter(({ id }) => wanted.has(id));
}

/** The names under which the pipeline itself reads; those only that were given something in the last `withinMs`. */
export async function realConsumers({ redis }: CaseContext, withinMs = Number.POSITIVE_INFINITY): Promise<string[]> {
  return (await consumerStates(redis))
    .filter(({ name, quietMs }) => !name.startsWith('syncproof-') && quietMs <= withinMs)
    .map(({ name }) => name);
}

/**
 * True once every consumer of the pipeline holds an entry after `afterId`. Of one that acknowledges what it has not
 * committed nothing is to be seen, so it is also true once as many were delivered as two consumers take one by one.
 */
export async function consumersHolding(t: CaseContext, afterId: string): Promise<true | undefined> {
  const [names, pending] = await Promise.all([realConsumers(t, HOLDING_MS), pendingEntries(t.redis)]);
  const holding = new Set(pending.filter(({ id }) => isAfter(id, afterId)).map(({ consumer }) => consumer));
  if (names.length > 1 && names.every((name) => holding.has(name))) return true;
  const delivered = (await groupState(t.redis))?.lastDeliveredId ?? '0';
  const count = (await entriesAfter(t.redis, afterId)).filter(({ id }) => !isAfter(id, delivered)).length;
  return count >= DELIVERED_MIN || undefined;
}

const BOTH_READ_MS = 15_000;

/**
 * An instance is ready before it reads the stream, and a consumer is known to the group once it was given something (Redis
 * 7.0): events are added, one by one, until two consumers were given some.
 * @returns the names of all consumers of the pipeline
 * @throws Violation when there are not two in time
 */
export function awaitBothRead(t: CaseContext): Promise<string[]> {
  const what = 'Both consumers given events';
  let files = 0;
  const probe = async (): Promise<string[] | undefined> => {
    const one = new CraftedFile(`for both consumers, ${files++}.txt`, 'versions');
    await addEvents(t.redis, [one.created()]);
    await awaitSearchable(t.pipeline, one.id, { timeoutMs: t.env.limits.syncMs, signal: t.signal });
    const names = await realConsumers(t);
    return names.length >= 2 ? names : undefined;
  };
  const pace = { intervalMs: 10, intervalMsMax: 10 };
  return eventually(what, probe, { timeoutMs: BOTH_READ_MS, ...pace, signal: t.signal });
}
