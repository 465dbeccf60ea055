import {
  BUCKET_OF,
  type BucketDigest,
  type BucketEntry,
  DIGEST_OF,
  type RegistryState,
} from '../../harness/contract/reconciliation.ts';
import type { Pool } from '../common/postgres.ts';

/** What readers compare themselves with, see the contract's reconciliation.ts. */
const ENTRIES = 'SELECT file_id AS id, version::bigint AS version, deleted_at IS NOT NULL AS deleted FROM files';

export async function bucketDigests(pool: Pool): Promise<BucketDigest[]> {
  const { rows } = await pool.query<BucketDigest>(
    `SELECT ${BUCKET_OF} AS bucket, count(*)::int AS count, ${DIGEST_OF} AS digest FROM (${ENTRIES}) AS entry GROUP BY 1`,
  );
  return rows;
}

export async function bucketEntries(pool: Pool, bucket: number): Promise<BucketEntry[]> {
  const { rows } = await pool.query<BucketEntry>(
    `SELECT id, version::int AS version, deleted FROM (${ENTRIES}) AS entry WHERE ${BUCKET_OF} = $1`,
    [bucket],
  );
  return rows;
}

export async function fileStates(pool: Pool, ids: readonly string[]): Promise<RegistryState[]> {
  const { rows } = await pool.query<RegistryState>(
    `SELECT file_id AS id, version, utc_text(deleted_at) AS deleted_at,
       CASE WHEN deleted_at IS NULL THEN file_metadata(file) END AS metadata
     FROM files AS file WHERE file_id = ANY($1::uuid[])`,
    [ids],
  );
  return rows;
}
