import { z } from 'zod';
import {
  BUCKETS,
  bucketEntriesSchema,
  digestsSchema,
  statesRequestSchema,
  statesSchema,
} from '../../harness/contract/reconciliation.ts';
import type { Authenticator } from '../common/auth.ts';
import type { HttpService } from '../common/http.ts';
import type { Pool } from '../common/postgres.ts';
import { bucketDigests, bucketEntries, fileStates } from './sync-store.ts';

const bucketParamsSchema = z.object({
  bucket: z
    .string()
    .regex(/^\d{1,3}$/, 'must be a whole number')
    .transform(Number)
    .refine((bucket) => bucket < BUCKETS, `must be less than ${BUCKETS}`),
});

const tags = ['reconciliation'];
const security = [{ bearer: [] }];

/** For readers that may have missed events: what differs between the registry and what they have. */
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
