import { EVENT_STREAM_NAME } from '../../harness/contract/names.ts';
import type { CaseContext } from './case.ts';

type Redis = CaseContext['redis'];

/** All that Redis held at one moment: the stream, its groups, what was pending with whom. */
export interface Dataset {
  keys: readonly { name: Buffer; dump: Buffer }[];
  /** Entries on the stream. */
  entries: number;
}

/** Copies everything in one moment. No key may have a time to live, as none of the pipeline has. */
export async function copyDataset(redis: Redis): Promise<Dataset> {
  const names = await redis.keysBuffer('*');
  const transaction = redis.multi();
  for (const name of names) transaction.dumpBuffer(name);
  const dumps = (await transaction.xlen(EVENT_STREAM_NAME).exec()) ?? [];
  const entries = Number(dumps.pop()?.[1]);
  const keys = names.flatMap((name, index) => {
    const dump = dumps[index]?.[1];
    return Buffer.isBuffer(dump) ? [{ name, dump }] : [];
  });
  return { keys, entries };
}

/**
 * Makes Redis hold, in one step, what it held at an earlier moment, and nothing else.
 * @param replica it is a replica now; for a moment it takes writes of others as well, which are lost or not as in a failover
 * @returns how many entries of the stream are gone by that
 * @throws when Redis refuses any of it
 */
export async function loadDataset(redis: Redis, { keys, entries }: Dataset, { replica = false } = {}): Promise<number> {
  const transaction = redis.multi().xlen(EVENT_STREAM_NAME).flushall();
  for (const { name, dump } of keys) transaction.restore(name, 0, dump);
  transaction.xlen(EVENT_STREAM_NAME);
  if (replica) await redis.config('SET', 'replica-read-only', 'no');
  const answers = (await transaction.exec()) ?? [];
  if (replica) await redis.config('SET', 'replica-read-only', 'yes');
  const [before, after] = [Number(answers[0]?.[1]), Number(answers.at(-1)?.[1])];
  if (after !== entries) throw new Error(`Redis holds ${after} entries of the stream, expected ${entries}`);
  return before - after;
}
