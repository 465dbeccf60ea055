import type { Redis } from 'ioredis';
import { EVENT_STREAM_NAME } from '../../services/contract/names.ts';
import { connectRedis } from '../clients/servers.ts';
import { SyncproofError } from '../core/errors.ts';
import { pollUntil } from '../core/time.ts';
import type { Environment, Link } from '../environment/common/environment.ts';
import type { FaultPlan } from './fault.ts';
import { redisErrorPlan } from './redis-errors.ts';
import { targetOf, witnessAnswers, witnessGone } from './witness.ts';

/** All that a database of Redis held at one moment: the stream, its groups, what was pending with whom. */
export interface Dataset {
  keys: readonly { name: Buffer; dump: Buffer; leftMs: number }[];
  /** Entries on the stream. */
  entries: number;
}

/** Copies everything in one moment. */
export async function copyDataset(redis: Redis): Promise<Dataset> {
  const names = await redis.keysBuffer('*');
  const transaction = redis.multi().xlen(EVENT_STREAM_NAME);
  for (const name of names) transaction.dumpBuffer(name).pttl(name);
  const [entries, ...facts] = await answersTo(transaction);
  const keys = names.flatMap((name, index) => {
    const [dump, leftMs] = facts.slice(2 * index, 2 * index + 2);
    // Gone since it was named.
    return Buffer.isBuffer(dump) ? [{ name, dump, leftMs: Math.max(0, Number(leftMs)) }] : [];
  });
  return { keys, entries: Number(entries) };
}

/**
 * Makes a database of Redis hold, in one step, what it held at an earlier moment, and nothing else.
 * @param replica it is a replica now; for a moment it takes writes of others as well, which are lost or not as in a failover
 * @returns how many entries of the stream are gone by that
 * @throws when Redis refuses any of it
 */
export async function loadDataset(redis: Redis, { keys, entries }: Dataset, { replica = false } = {}): Promise<number> {
  const transaction = redis.multi().xlen(EVENT_STREAM_NAME).flushdb();
  for (const { name, dump, leftMs } of keys) transaction.restore(name, leftMs, dump);
  transaction.xlen(EVENT_STREAM_NAME);
  if (replica) await redis.config('SET', 'replica-read-only', 'no');
  let answers: unknown[];
  try {
    answers = await answersTo(transaction);
  } finally {
    if (replica) await redis.config('SET', 'replica-read-only', 'yes');
  }
  const [before, after] = [Number(answers[0]), Number(answers.at(-1))];
  if (after !== entries) throw new Error(`Redis holds ${after} entries of the stream, expected ${entries}`);
  return before - after;
}

/** @throws the first error among the answers: one command of a transaction may fail, and the others are carried out */
async function answersTo(transaction: ReturnType<Redis['multi']>): Promise<unknown[]> {
  const answers = (await transaction.exec()) ?? [];
  const failed = answers.find(([error]) => error !== null);
  if (failed?.[0]) throw failed[0];
  return answers.map(([, answer]) => answer);
}

export interface TailChoice {
  /** What gets lost was never read: query does not reach Redis meanwhile. Otherwise query may have read it. */
  unread: boolean;
  /** How long the load may take to write what gets lost. */
  timeoutMs?: number;
}

/** At least so many events get lost. */
const TAIL = 5;
const TAIL_TIMEOUT_MS = 10_000;

/**
 * Redis dies and recovers with earlier data, as from an old snapshot or a log whose tail was cut off. No service
 * reaches it before that is in place, so none finds it empty.
 */
export function loseTailPlan(environment: Environment, { unread, timeoutMs }: TailChoice): FaultPlan {
  const target = targetOf(environment, 'redis');
  const { control } = target;
  const links = environment.links.filter(({ server }) => server === 'redis');
  const address = target.address();
  let earlier: Dataset | undefined;
  let lost = 0;
  return {
    kind: unread ? 'redis-unread-tail-lost' : 'redis-tail-lost',
    target: 'redis',
    async check() {
      if (!(await control.running())) throw new SyncproofError('redis is not running');
      const taken = links.find(({ proxy }) => proxy.mode !== 'pass');
      if (taken) throw new SyncproofError(`${taken.client}→redis is already in mode ${taken.proxy.mode}`);
    },
    async apply() {
      if (unread)
        await setModes(
          links.filter(({ client }) => client === 'query'),
          'refuse',
        );
      await withRedis(environment, async (redis) => {
        earlier = await copyDataset(redis);
        const last = await lastId(redis);
        await awaitTail(redis, last, timeoutMs);
        await setModes(links, 'refuse');
        lost = (await entriesAfter(redis, last)).length;
      });
      await control.kill();
    },
    witness: () => witnessGone(target, address),
    async undo() {
      if (!(await control.running())) {
        await control.wipe();
        await control.start();
        await withRedis(environment, async (redis) => earlier && loadDataset(redis, earlier));
      }
      await setModes(links, 'pass');
    },
    witnessHealed: async () => `${await witnessAnswers(target)}, ${lost} events are gone`,
  };
}

/**
 * A replica that missed the last events takes the place of its primary, and takes no writes until it is promoted. What
 * clients see of it, on one server: their connections stay, it answers READONLY, and holds what it held earlier.
 */
export function failOverPlan(environment: Environment): FaultPlan {
  const demotion = redisErrorPlan(environment, 'READONLY');
  let lost = 0;
  return {
    ...demotion,
    kind: 'redis-failed-over',
    apply: () =>
      withRedis(environment, async (redis) => {
        const earlier = await copyDataset(redis);
        await awaitTail(redis, await lastId(redis));
        await demotion.apply();
        lost = await loadDataset(redis, earlier, { replica: true });
      }),
    witness: async () => `${await demotion.witness()}; ${lost} events are gone`,
  };
}

async function withRedis<T>(environment: Environment, act: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = connectRedis(environment.redisAddress());
  try {
    return await act(redis);
  } finally {
    redis.disconnect();
  }
}

async function setModes(links: readonly Link[], mode: 'pass' | 'refuse'): Promise<void> {
  await Promise.all(links.map(({ proxy }) => proxy.setMode(mode)));
}

async function lastId(redis: Redis): Promise<string> {
  const [last] = await redis.xrevrange(EVENT_STREAM_NAME, '+', '-', 'COUNT', 1);
  return last?.[0] ?? '0-0';
}

const entriesAfter = (redis: Redis, id: string): Promise<unknown[]> => redis.xrange(EVENT_STREAM_NAME, `(${id}`, '+');

async function awaitTail(redis: Redis, afterId: string, timeoutMs = TAIL_TIMEOUT_MS): Promise<void> {
  await pollUntil(async () => ((await entriesAfter(redis, afterId)).length >= TAIL ? true : undefined), {
    what: `${TAIL} events to be written that get lost`,
    timeoutMs,
  });
}
