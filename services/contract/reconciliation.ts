import { z } from 'zod';
import { fileMetadataSchema } from './events.ts';

/**
 * How a reader compares its data with the registry without reading all of it: digests of buckets, then the entries of
 * those that differ, then the files that differ. An addition of the reference; a registry may lack it.
 */

/** A file belongs to the bucket that the first byte of its id numbers. */
export const BUCKETS = 256;

/**
 * SQL of a bucket's digest over columns `id uuid, version bigint, deleted boolean`: the same text on both sides, and
 * md5 because it gives the same on every version and platform of PostgreSQL.
 */
export const BUCKET_OF = 'get_byte(uuid_send(id), 0)';
export const DIGEST_OF = `bit_xor(('x' || left(md5(id::text || ':' || coalesce(version, 0) || ':' || deleted), 16))::bit(64)::bigint)::text`;

export const digestsSchema = z.object({
  buckets: z.array(z.object({ bucket: z.int().min(0).max(255), count: z.int(), digest: z.string() })),
});
export type BucketDigest = z.infer<typeof digestsSchema>['buckets'][number];

export const bucketEntriesSchema = z.object({
  entries: z.array(z.object({ id: z.uuid(), version: z.int(), deleted: z.boolean() })),
});
export type BucketEntry = z.infer<typeof bucketEntriesSchema>['entries'][number];

export const STATES_MAX = 200;
export const statesRequestSchema = z.object({ ids: z.array(z.uuid()).min(1).max(STATES_MAX) });
/** A file's whole state; deleted files have no metadata. Ids that the registry does not know are left out. */
export const statesSchema = z.object({
  files: z.array(
    z.object({
      id: z.uuid(),
      version: z.int().positive(),
      deleted_at: z.string().nullable(),
      metadata: fileMetadataSchema.nullable(),
    }),
  ),
});
export type RegistryState = z.infer<typeof statesSchema>['files'][number];
