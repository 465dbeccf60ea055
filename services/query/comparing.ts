import { setTimeout as sleep } from 'node:timers/promises';
import { type Pool, withClient } from '../common/postgres.ts';

/** Any number, as long as all instances use the same. */
const RECONCILE_LOCK = 7_240_313;
/** Whether the holder is still heard is known long before the comparison itself could be given up. */
const ANSWER_MS = 3000;
const SPEAK_EVERY_MS = 2000;
/** A server keeps the lock of a holder that it does not hear any more for this long, instead of for good. */
const UNHEARD_MS = 8000;

/**
 * Compares while no other instance does: the lock is that of a session, which has to stay heard. A connection that has
 * fallen silent is closed for its client, but the server would keep its lock for hours; so the holder speaks now and
 * then, and the server ends a session that does not. The lock goes with the pool, which its owner ends.
 * @param work is left alone, with its signal aborted, once the holder is not heard any more, or nobody waits for it
 * @returns whether it was this one's turn
 * @throws what the work throws, and the database's error when the lock was lost
 */
export async function comparingAlone(
  pool: Pool,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<boolean> {
  return withClient(pool, async (holder) => {
    // Their types do not know of the limit.
    const ask = <Row extends object>(text: string, values: unknown[] = []): Promise<{ rows: Row[] }> => {
      const statement = { text, values, query_timeout: ANSWER_MS };
      return holder.query<Row>(statement);
    };
    const { rows } = await ask<{ mine: boolean }>(
      `SELECT set_config('idle_session_timeout', $2, false), pg_try_advisory_lock($1) AS mine`,
      [RECONCILE_LOCK, String(UNHEARD_MS)],
    );
    if (rows[0]?.mine !== true) return false;
    const over = new AbortController();
    const ended = AbortSignal.any([signal, over.signal]);
    const speaking = async (): Promise<void> => {
      while (true) {
        await sleep(SPEAK_EVERY_MS, undefined, { signal: ended });
        await ask('SELECT 1');
      }
    };
    try {
      await Promise.race([work(ended), speaking()]);
      return true;
    } finally {
      over.abort();
    }
  });
}
