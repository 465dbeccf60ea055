import { z } from 'zod';
import { FILENAME_BYTES_MAX } from '../common/text.ts';
import { registryFileSchema, retentionPolicySchema } from '../contract/http.ts';

const filename = z
  .string()
  .min(1)
  .refine(
    (name) => Buffer.byteLength(name) <= FILENAME_BYTES_MAX,
    `must not be longer than ${FILENAME_BYTES_MAX} bytes`,
  );
const shortText = z.string().min(1).max(255);
const path = z.string().min(1).max(1024);
/** In bytes. JSON numbers beyond 2^53 - 1 have lost digits before they can be checked, so they are refused. */
const size = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const tags = z.array(z.string().min(1).max(255)).max(1000);
const userMetadata = z.record(z.string(), z.unknown());
const ttlDays = z.number().int().min(1).max(36_500);
const instant = z.iso.datetime({ offset: true });
const description = z.string().max(100_000);

const TTL_NEEDS_TEMPORARY = 'only a temporary file has a time to live';

/** Body of `POST /api/v1/files`. */
export const registrationSchema = z
  .object({
    file_id: z.uuid(),
    original_filename: filename,
    storage_filename: filename,
    file_size: size,
    checksum_sha256: z.string().regex(/^[0-9a-fA-F]{64}$/, 'must be 64 hexadecimal digits'),
    content_type: shortText.nullish(),
    description: description.nullish(),
    retention_policy: retentionPolicySchema.default('permanent'),
    ttl_days: ttlDays.nullish(),
    ttl_expires_at: instant.nullish(),
    storage_element_id: shortText,
    storage_path: path,
    compressed: z.boolean().nullish(),
    compression_algorithm: shortText.nullish(),
    original_size: size.nullish(),
    uploaded_by: shortText.nullish(),
    upload_source_ip: z.string().min(1).max(64).nullish(),
    user_metadata: userMetadata.nullish(),
    tags: tags.nullish(),
  })
  .refine((file) => file.retention_policy === 'temporary' || file.ttl_days == null, {
    path: ['ttl_days'],
    message: TTL_NEEDS_TEMPORARY,
  })
  .refine((file) => file.retention_policy === 'temporary' || file.ttl_expires_at == null, {
    path: ['ttl_expires_at'],
    message: TTL_NEEDS_TEMPORARY,
  });
export type Registration = z.output<typeof registrationSchema>;

/** Body of `PUT /api/v1/files/{id}`: what is absent stays, null clears, fields that cannot change are left alone. */
export const changesSchema = z
  .object({
    original_filename: filename.optional(),
    storage_filename: filename.optional(),
    content_type: shortText.nullish(),
    description: description.nullish(),
    retention_policy: retentionPolicySchema.optional(),
    ttl_days: ttlDays.nullish(),
    ttl_expires_at: instant.nullish(),
    storage_element_id: shortText.optional(),
    storage_path: path.optional(),
    user_metadata: userMetadata.nullish(),
    tags: tags.nullish(),
  })
  .refine((changes) => Object.values(changes).some((value) => value !== undefined), {
    message: 'must name at least one field that can be changed',
  });
export type Changes = z.output<typeof changesSchema>;

/** A file in admin's answers. */
export const fileAnswerSchema = registryFileSchema.extend({
  compressed: z.boolean(),
  compression_algorithm: z.string().nullable(),
  original_size: z.number().nullable(),
  upload_source_ip: z.string().nullable(),
  deleted_at: z.string().nullable(),
  deletion_reason: z.string().nullable(),
  version: z.number().int().positive(),
});
export type FileAnswer = z.output<typeof fileAnswerSchema>;

export const listQuerySchema = z.object({
  page: z.coerce.number().int().min(1).max(1_000_000).default(1),
  page_size: z.coerce.number().int().min(1).max(1000).default(50),
});

export const listAnswerSchema = z.object({
  files: z.array(fileAnswerSchema),
  total_count: z.number(),
  page: z.number(),
  page_size: z.number(),
  has_more: z.boolean(),
});

export const deletionQuerySchema = z.object({ deletion_reason: z.string().max(1000).optional() });
export const fileParamsSchema = z.object({ file_id: z.uuid() });
