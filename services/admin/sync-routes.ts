import { z } from 'zod';
import type { Authenticator } from '../common/auth.ts';
import type { HttpService } from '../common/http.ts';
import type { Pool } from '../common/postgres.ts';
import {
  BUCKET_OF,
  BUCKETS,
  type BucketDigest,
  type BucketEntry,
  bucketEntriesSchema,
  DIGEST_OF,
  digestsSchema,
  type RegistryState,
  statesRequestSchema,
  statesSchema,
} from '../contract/reconciliation.ts';

/** For comparing a reader with the registry, see the contract's reconciliation.ts. */
const ENTRIES = 'SELECT file_id AS id, version::bigint AS version, deleted_at IS NOT NULL AS deleted FROM files';

async function bucketDigests(pool: Pool): Promise<BucketDigest[]> {
  const { rows } = await pool.query<BucketDigest>(
    `SELECT ${BUCKET_OF} AS bucket, count(*)::int AS count, ${DIGEST_OF} AS digest FROM (${ENTRIES}) AS entry GROUP BY 1`,
  );
  return rows;
}

async function bucketEntries(pool: Pool, bucket: number): Promise<BucketEntry[]> {
  const { rows } = await pool.query<BucketEntry>(
    `SELECT id, version::int AS version, deleted FROM (${ENTRIES}) AS entry WHERE ${BUCKET_OF} = $1`,
    [bucket],
  );
  return rows;
}

async function fileStates(pool: Pool, ids: readonly string[]): Promise<RegistryState[]> {
  const { rows } = await pool.query<RegistryState>(
    `SELECT file_id AS id, version, utc_text(deleted_at) AS deleted_at,
       CASE WHEN deleted_at IS NULL THEN file_metadata(file) END AS metadata
     FROM files AS file WHERE file_id = ANY($1::uuid[])`,
    [ids],
  );
  return rows;
}

const bucketParamsSchema = z.object({
  bucket: z
    .string()
    .regex(/^\d{1,3}$/, 'must be a whole number')
    .transform(Number)
    .refine((bucket) => bucket < BUCKETS, `must be less than ${BUCKETS}`),
});

const tags = ['reconciliation'];
const security = [{ bearer: [] }];

/** For readers that may have missed events: the differences between the registry and their data. */
export function addSyncRoutes(app: HttpService, pool: Pool, auth: Authenticator): void {
  const onRequest = auth.requireRole();
  app.get(
    '/api/v1/sync/digests',
    { onRequest, schema: { tags, security, response: { 200: digestsSchema } } },
    async () => ({ buckets: await bucketDigests(pool) }),
  );
  app.get(
    '/api/v1/sync/buckets/:bucket',
    { onRequest, schema: { tags, security, params: bucketParamsSchema, response: { 200: bucketEntriesSchema } } },
    async ({ params }) => ({ entries: await bucketEntries(pool, params.bucket) }),
  );
  app.post(
    '/api/v1/sync/files',
    { onRequest, schema: { tags, security, body: statesRequestSchema, response: { 200: statesSchema } } },
    async ({ body }) => ({ files: await fileStates(pool, body.ids) }),
  );
}
