import type { Redis } from 'ioredis';
import { EVENT_STREAM_NAME } from '../contract/names.ts';

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
