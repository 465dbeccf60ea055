import { type Pool, withClient } from '../common/postgres.ts';
import { type Change, type DeleteChange, lastChangePerFile, type UpsertChange } from './events.ts';

/**
 * Applies a batch of changes in one transaction. What makes redelivery, reordering and duplicates harmless:
 *
 * - an upsert changes nothing when the row has the same or a newer version, or the file's tombstone does;
 * - a deletion leaves a tombstone, so that no late creation brings the file back; it spares a row with a newer version;
 * - two transactions that touch the same file, one of them deleting it, run one after the other. Otherwise each would
 *   overlook what the other has not committed yet (the tombstone, the new row), and the file would come back.
 *
 * Changes without a version (plain producers) count in stream order, except that one whose `updated_at` is older than
 * the row's is a redelivery, and that nothing without a version outlives a tombstone.
 */
export interface Applied {
  upserted: number;
  deleted: number;
}

export interface ApplyOptions {
  /** How long to wait for a row locked by another session; then the whole batch fails with 55P03. */
  lockTimeoutMs: number;
}

/** Locks are taken on this many slots instead of on single files, so that a batch cannot exhaust the lock table. */
const LOCK_SLOTS = 256;
const LOCK_SPACE = 7_240_312;
/** Three statements in a row stay below the connection's own limit, which would not give the reason. */
const STATEMENT_TIMEOUT_MS = 1500;
/**
 * The server ends a transaction that its client says nothing in for this long, and with it the locks on its rows. Without a
 * limit one whose connection became half-open before the COMMIT would keep them for hours, and nothing could repair the rows.
 */
const UNHEARD_MS = 5000;
/** True in the transaction that `beginStatement` began, and nowhere else. */
const IN_TRANSACTION = `current_setting('syncproof.applying', true) = 'on'`;

/** @throws the database's error, with nothing applied */
export async function applyChanges(pool: Pool, changes: readonly Change[], options: ApplyOptions): Promise<Applied> {
  const last = lastChangePerFile(changes);
  if (last.length === 0) return { upserted: 0, deleted: 0 };
  // In the order of ids: two consumers with the same files wait for each other instead of deadlocking.
  last.sort((a, b) => (a.id < b.id ? -1 : 1));
  const upserts = last.filter((change): change is UpsertChange => change.kind === 'upsert');
  const deletes = last.filter((change): change is DeleteChange => change.kind === 'delete');
  return withClient(pool, async (client) => {
    // Sent together (see `pipeline` in main.ts). Should the first fail before it began anything, those behind it find
    // that they are in no transaction of ours, and change nothing.
    const [, deleted, upserted] = await Promise.all([
      client.query(beginStatement(last, options.lockTimeoutMs)),
      deletes.length === 0 ? undefined : client.query(deleteStatement(deletes)),
      upserts.length === 0 ? undefined : client.query(upsertStatement(upserts)),
    ]);
    // Only once all of it was answered: an abandoned batch must not be committed later.
    await client.query('COMMIT');
    return { upserted: upserted?.rowCount ?? 0, deleted: deleted?.rowCount ?? 0 };
  });
}

function lockSlot(id: string): number {
  return Number.parseInt(id.slice(-2), 16) % LOCK_SLOTS;
}

/** Begins the transaction and takes its locks in one round trip, before the statements whose snapshots they order. */
function beginStatement(changes: readonly Change[], lockTimeoutMs: number): string {
  const exclusive = new Map<number, boolean>();
  for (const change of changes) {
    const slot = lockSlot(change.id);
    exclusive.set(slot, exclusive.get(slot) === true || change.kind === 'delete');
  }
  const slots = [...exclusive.keys()].sort((a, b) => a - b);
  return `BEGIN;
    SET LOCAL lock_timeout = ${lockTimeoutMs}; SET LOCAL statement_timeout = ${STATEMENT_TIMEOUT_MS};
    SET LOCAL idle_in_transaction_session_timeout = ${UNHEARD_MS}; SET LOCAL syncproof.applying = 'on';
    SELECT CASE WHEN exclusive THEN pg_advisory_xact_lock(${LOCK_SPACE}, slot)
                ELSE pg_advisory_xact_lock_shared(${LOCK_SPACE}, slot) END
      FROM unnest('{${slots.join()}}'::int[], '{${slots.map((slot) => exclusive.get(slot)).join()}}'::bool[])
        AS wanted (slot, exclusive)`;
}

const UPSERT = `
INSERT INTO file_metadata_cache AS cached (id, version, filename, storage_filename, file_size, mime_type, sha256_hash,
  username, description, storage_element_id, created_at, updated_at, tags, cache_updated_at)
SELECT event.id, event.version, event.filename, event.storage_filename, event.file_size, event.mime_type,
  event.sha256_hash, event.username, event.description, event.storage_element_id, event.created_at, event.updated_at,
  CASE WHEN event.tags IS NULL THEN NULL
    ELSE ARRAY(SELECT tag FROM jsonb_array_elements_text(event.tags) WITH ORDINALITY AS element (tag, place) ORDER BY place)
  END,
  clock_timestamp()
FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[],
  $9::text[], $10::text[], $11::timestamptz[], $12::timestamptz[], $13::jsonb[])
  AS event (id, version, filename, storage_filename, file_size, mime_type, sha256_hash, username, description,
    storage_element_id, created_at, updated_at, tags)
WHERE ${IN_TRANSACTION} AND NOT EXISTS (
  SELECT FROM file_tombstones AS tombstone WHERE tombstone.id = event.id
    AND (tombstone.version IS NULL OR event.version IS NULL OR tombstone.version >= event.version))
ORDER BY event.id
ON CONFLICT (id) DO UPDATE SET
  version = coalesce(excluded.version, cached.version), filename = excluded.filename,
  storage_filename = excluded.storage_filename, file_size = excluded.file_size, mime_type = excluded.mime_type,
  sha256_hash = excluded.sha256_hash, username = excluded.username, description = excluded.description,
  storage_element_id = excluded.storage_element_id, created_at = excluded.created_at, updated_at = excluded.updated_at,
  tags = excluded.tags, cache_updated_at = excluded.cache_updated_at
WHERE CASE
  WHEN excluded.version IS NULL THEN excluded.updated_at >= cached.updated_at
  ELSE cached.version IS NULL OR excluded.version > cached.version
END`;

/** Named statements are parsed and planned once per connection. */
function upsertStatement(upserts: readonly UpsertChange[]) {
  const column = (pick: (change: UpsertChange) => unknown): unknown[] => upserts.map(pick);
  const values = [
    column((change) => change.id),
    column((change) => change.version),
    column(({ metadata }) => metadata.original_filename),
    column(({ metadata }) => metadata.storage_filename),
    column(({ metadata }) => metadata.file_size),
    column(({ metadata }) => metadata.content_type ?? null),
    column(({ metadata }) => metadata.checksum_sha256),
    column(({ metadata }) => metadata.uploaded_by ?? null),
    column(({ metadata }) => metadata.description ?? null),
    column(({ metadata }) => metadata.storage_element_id),
    column(({ metadata }) => metadata.created_at),
    column(({ metadata }) => metadata.updated_at),
    // A list of lists is no array of arrays to PostgreSQL unless all have one length: JSON carries them.
    column(({ metadata: { tags } }) => (tags === null || tags === undefined ? null : JSON.stringify(tags))),
  ];
  return { name: 'upsert-files', text: UPSERT, values };
}

/** The row count of the statement is that of the deleted rows. */
const DELETE = `
WITH event AS MATERIALIZED (
  SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::timestamptz[]) AS event (id, version, deleted_at)
  WHERE ${IN_TRANSACTION}
), buried AS (
  INSERT INTO file_tombstones AS tombstone (id, version, deleted_at)
  SELECT id, version, deleted_at FROM event ORDER BY id
  ON CONFLICT (id) DO UPDATE SET version = excluded.version, deleted_at = excluded.deleted_at
  WHERE tombstone.version < excluded.version
)
DELETE FROM file_metadata_cache AS cached USING event
WHERE cached.id = event.id AND (cached.version IS NULL OR event.version IS NULL OR cached.version <= event.version)`;

function deleteStatement(deletes: readonly DeleteChange[]) {
  const values = [
    deletes.map((change) => change.id),
    deletes.map((change) => change.version),
    deletes.map((change) => change.deletedAt),
  ];
  return { name: 'delete-files', text: DELETE, values };
}
