import { backoffMs, pause } from '../common/backoff.ts';
import { type Log, troubleLog } from '../common/log.ts';
import type { RedisClient } from '../common/redis.ts';
import { eventFields, type LeaderSession, type NumberedRow } from './outbox-store.ts';

/**
 * Publishes the events in the outbox, in commit order, at least once.
 *
 * following: another instance holds the lock; asks for it every `FOLLOW_MS`.
 *   → leading: got the lock.
 * leading: queries unpublished rows when woken or when the poll interval ends; sends a batch to Redis as one
 *   transaction, then marks it published in the next query.
 *   → leading, after a short pause: Redis refused or did not answer; nothing is marked, the first row is tried again,
 *   alone.
 *   → following, after a short pause: the database session failed; the lock went with it, and a batch in hand is
 *     dropped unsent.
 */
export interface OutboxRelay {
  /** There may be new rows: poll now. */
  wake(): void;
  /** Ends the loop after the batch in flight; resolves when it has ended. */
  stop(): Promise<void>;
}

export interface OutboxRelayOptions {
  /** @returns undefined while another instance leads */
  openSession: () => Promise<LeaderSession | undefined>;
  redis: RedisClient;
  log: Log;
  streamName: string;
  /** The stream is trimmed to about this many entries. */
  streamEntriesMax: number;
  pollMs: number;
  retentionHours: number;
  onPublished: (events: number) => void;
  /** Once per batch that could not be published. */
  onFailed: () => void;
}

const FOLLOW_MS = 200;
/** Constant: after Redis recovers, publishing must not wait for a pause that grew during the outage. */
const RETRY_MS = 50;
const PURGE_EVERY_MS = 60_000;
/**
 * A batch is sent at most this long after the session was last known to hold the lock. Well below the 5 s after which
 * the server ends the session of a paused leader: until then no other instance leads.
 */
const LEADING_FOR_MS = 2000;

export function startOutboxRelay(options: OutboxRelayOptions): OutboxRelay {
  const stopping = new AbortController();
  let wakeUp = new AbortController();
  let woken = false;
  const redisTrouble = troubleLog(options.log, 'outbox relay: publishing');
  const databaseTrouble = troubleLog(options.log, 'outbox relay: database');

  function wake(): void {
    woken = true;
    wakeUp.abort();
  }

  /** Waits for the poll interval, unless there was or is a wake-up. */
  async function rest(): Promise<void> {
    if (!woken) await pause(options.pollMs, wakeUp.signal);
    woken = false;
    if (wakeUp.signal.aborted) wakeUp = new AbortController();
  }

  async function publish(rows: readonly NumberedRow[]): Promise<boolean> {
    try {
      await sendBatch(options, rows);
    } catch (error) {
      options.onFailed();
      redisTrouble.begin(error);
      return false;
    }
    redisTrouble.end();
    options.onPublished(rows.length);
    return true;
  }

  async function lead(session: LeaderSession): Promise<void> {
    let purgeAtMs = performance.now() + PURGE_EVERY_MS;
    let published: readonly NumberedRow[] = [];
    let refused = false;
    while (!stopping.signal.aborted && session.alive) {
      let ledAtMs = performance.now();
      const unpublished = await session.next(published);
      // One event is enough to probe Redis; resending a whole batch would add to its load.
      const rows = refused ? unpublished.slice(0, 1) : unpublished;
      published = [];
      databaseTrouble.end();
      if (rows.length === 0) {
        if (performance.now() >= purgeAtMs) {
          await session.purge(options.retentionHours);
          purgeAtMs = performance.now() + PURGE_EVERY_MS;
        }
        await rest();
        continue;
      }
      // After a pause of this process another instance may lead, and the lost session shows only later: it must answer.
      while (session.alive && performance.now() - ledAtMs > LEADING_FOR_MS) {
        ledAtMs = performance.now();
        await session.confirm();
      }
      if (!session.alive) return;
      if (await publish(rows)) {
        published = rows;
        refused = false;
      } else {
        refused = true;
        await pause(backoffMs(1, { ms: RETRY_MS, msMax: RETRY_MS }), stopping.signal);
      }
    }
    if (published.length > 0 && session.alive) await session.markPublished(published);
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await using session = await options.openSession();
        if (session !== undefined) {
          options.log.info('outbox relay: leading');
          await lead(session);
        }
      } catch (error) {
        databaseTrouble.begin(error);
      }
      await pause(backoffMs(1, { ms: FOLLOW_MS, msMax: FOLLOW_MS }), stopping.signal);
    }
  }

  const running = run();
  return {
    wake,
    stop() {
      stopping.abort();
      wake();
      return running;
    },
  };
}

/**
 * One MULTI/EXEC: either all entries are on the stream, in this order, or none. A plain pipeline could lose the order
 * when Redis refuses one entry (OOM) and takes the next.
 * @throws when Redis is unavailable, refuses, or does not answer within the client's socket timeout
 */
async function sendBatch(
  { redis, streamName, streamEntriesMax }: OutboxRelayOptions,
  rows: readonly NumberedRow[],
): Promise<void> {
  if (redis.status !== 'ready') throw new Error(`Redis is not connected (${redis.status})`);
  const transaction = redis.multi();
  for (const row of rows) transaction.xadd(streamName, 'MAXLEN', '~', streamEntriesMax, '*', ...eventFields(row));
  const results = await transaction.exec();
  if (results === null) throw new Error('Redis aborted the transaction');
  for (const [error] of results) if (error !== null) throw error;
}
