import pg from 'pg';
import { within } from '../common/backoff.ts';
import { connectionOptions, type Pool, type PoolOptions } from '../common/postgres.ts';

/** A row of the outbox as the relay reads it. */
export interface OutboxRow {
  /** int8, as text. */
  seq: string;
  event_id: string;
  event_type: string;
  file_id: string;
  version: number;
  storage_element_id: string;
  /** ISO 8601 UTC. */
  occurred_at: string;
  /** JSON text; null for deletions. */
  metadata: string | null;
  traceparent: string | null;
}

/** A row with the number under which it is published. */
export interface NumberedRow extends OutboxRow {
  /** Rises by one from each published event to the next; int8. */
  sequence: bigint;
}

/** The flat field list of the stream entry, as the event contract has it: all strings. */
export function eventFields(row: NumberedRow): string[] {
  const fields = [
    'event_type',
    row.event_type,
    'timestamp',
    row.occurred_at,
    'file_id',
    row.file_id,
    'storage_element_id',
    row.storage_element_id,
    'event_id',
    row.event_id,
    'version',
    String(row.version),
    'sequence',
    String(row.sequence),
  ];
  if (row.metadata === null) fields.push('deleted_at', row.occurred_at);
  else fields.push('metadata', row.metadata);
  if (row.traceparent !== null) fields.push('traceparent', row.traceparent);
  return fields;
}

/** Any number, as long as all instances use the same. */
const LEADER_LOCK = 7_240_312;

const BATCH_ROWS_MAX = 200;
const BATCH_BYTES_MAX = 4 * 1024 * 1024;
const PURGE_ROWS_MAX = 5000;

// Rows that are unpublished, not rows behind a cursor: a number that was taken early can commit late.
// A deletion has no metadata and counts as 0 bytes: it must stay behind the cut when its file's creation does.
const UNPUBLISHED = `
  SELECT seq, event_id, event_type, file_id, version, storage_element_id, occurred_at, metadata, traceparent
  FROM (
    SELECT seq, event_id, event_type, file_id, version, storage_element_id, utc_text(occurred_at) AS occurred_at, metadata,
      traceparent, sum(coalesce(octet_length(metadata), 0)) OVER (ORDER BY seq) - coalesce(octet_length(metadata), 0) AS bytes_before
    FROM (SELECT * FROM outbox WHERE published_at IS NULL ORDER BY seq LIMIT ${BATCH_ROWS_MAX}) AS first
  ) AS measured
  WHERE bytes_before < ${BATCH_BYTES_MAX}
  ORDER BY seq`;

// A batch whose reply was lost is sent again under the same numbers, perhaps with a row more: numbers then repeat, but
// none is left out, and readers check only that.
const LAST_SEQUENCE = 'SELECT last_sequence AS last FROM publish_state';
const MARK = `
  WITH marked AS (UPDATE outbox SET published_at = clock_timestamp() WHERE seq = ANY($1::bigint[]))
  UPDATE publish_state SET last_sequence = $2`;

/**
 * The leader's session. It holds an advisory lock, so at most one relay reads and marks rows: all of its statements run
 * on this session, and fail once the lock is lost. The server ends the session of a relay that was paused or cut off,
 * and another instance takes over. A session cannot keep a relay that was paused with a batch in hand from sending it
 * on waking, while another leads: before it sends, the relay must know that the session answered just now.
 */
export interface LeaderSession extends AsyncDisposable {
  /** False once the connection is gone, and the lock with it. */
  readonly alive: boolean;
  /**
   * Marks rows as published and gives the oldest unpublished ones, in one round trip. In the order of their numbers:
   * per file that is the order of its commits.
   */
  next(published: readonly NumberedRow[]): Promise<NumberedRow[]>;
  /** Resolves when the session, and so the lock, was held without a break until now. @throws when it ended */
  confirm(): Promise<void>;
  markPublished(rows: readonly NumberedRow[]): Promise<void>;
  /** Removes rows published longer ago than the retention. @returns how many */
  purge(retentionHours: number): Promise<number>;
}

/** @returns undefined while another instance leads */
export async function openLeaderSession(options: PoolOptions): Promise<LeaderSession | undefined> {
  const client = new pg.Client(connectionOptions({ ...options, pipeline: true }));
  let alive = true;
  /** Number of the last event that is marked as published. */
  let lastSequence = 0n;
  client.on('error', (error) => {
    alive = false;
    options.log.warn({ err: error }, 'outbox relay: its database session ended');
  });
  client.on('end', () => {
    alive = false;
  });
  const close = async (): Promise<void> => {
    alive = false;
    await within(500, 'closing the leader session', client.end()).catch(() => {
      // The server hangs; it ends an idle session by itself.
    });
  };
  try {
    await client.connect();
    // Idle for 5 s means paused or disconnected: a leader polls every few milliseconds. Marks lost in a crash of the
    // server only cause a second publication, which consumers must tolerate; so they need not wait for the disk.
    await client.query(`
      SET idle_session_timeout = 5000; SET tcp_keepalives_idle = 2; SET tcp_keepalives_interval = 1;
      SET tcp_keepalives_count = 3; SET synchronous_commit = off`);
    const { rows } = await client.query<{ leads: boolean }>('SELECT pg_try_advisory_lock($1) AS leads', [LEADER_LOCK]);
    if (rows[0]?.leads !== true) {
      await close();
      return undefined;
    }
    // After the lock: from here on no other session increments the number.
    lastSequence = BigInt((await client.query<{ last: string }>(LAST_SEQUENCE)).rows[0]?.last ?? 0);
  } catch (error) {
    await close();
    throw error;
  }
  const markPublished = async (rows: readonly NumberedRow[]): Promise<void> => {
    const last = rows.at(-1);
    if (last === undefined) return;
    lastSequence = last.sequence;
    await client.query({ name: 'mark-published', text: MARK, values: [rows.map(({ seq }) => seq), last.sequence] });
  };
  return {
    get alive() {
      return alive;
    },
    async next(published) {
      // Sent together, and executed in this order: marked rows are not returned again.
      const marked = published.length === 0 ? undefined : markPublished(published);
      const [{ rows }] = await Promise.all([
        client.query<OutboxRow>({ name: 'unpublished', text: UNPUBLISHED }),
        marked,
      ]);
      return rows.map((row, index) => ({ ...row, sequence: lastSequence + BigInt(index + 1) }));
    },
    async confirm() {
      await client.query('SELECT 1');
    },
    markPublished,
    async purge(retentionHours) {
      const { rowCount } = await client.query(
        `DELETE FROM outbox WHERE seq IN (
           SELECT seq FROM outbox WHERE published_at < now() - $1 * interval '1 hour' ORDER BY published_at LIMIT $2)`,
        [retentionHours, PURGE_ROWS_MAX],
      );
      return rowCount ?? 0;
    },
    [Symbol.asyncDispose]: close,
  };
}

/** The unpublished backlog: how many rows, and the age of the oldest in seconds. */
export async function outboxBacklog(pool: Pool): Promise<{ pending: number; oldestSeconds: number }> {
  const { rows } = await pool.query<{ pending: string; oldest: number | null }>(
    `SELECT count(*) AS pending, extract(epoch FROM clock_timestamp() - min(created_at))::float8 AS oldest
     FROM outbox WHERE published_at IS NULL`,
  );
  return { pending: Number(rows[0]?.pending ?? 0), oldestSeconds: Math.max(rows[0]?.oldest ?? 0, 0) };
}
