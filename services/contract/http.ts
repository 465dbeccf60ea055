import { z } from 'zod';

/** Wire shapes of the HTTP contract. Answers stay open to further fields: a target may return more than required. */

export const ROLES = ['ADMIN', 'USER', 'READONLY'] as const;
export type Role = (typeof ROLES)[number];

const timestamp = z.iso.datetime({ offset: true });

export const tokenRequestSchema = z.object({
  client_id: z.string().min(1).max(255),
  client_secret: z.string().min(1).max(1024),
});
export const tokenAnswerSchema = z.object({
  access_token: z.string(),
  token_type: z.literal('Bearer'),
  expires_in: z.number(),
  issued_at: z.string(),
});

export const retentionPolicySchema = z.enum(['temporary', 'permanent']);

/** A file as the registry (admin) shows it. */
export const registryFileSchema = z.object({
  file_id: z.uuid(),
  original_filename: z.string(),
  storage_filename: z.string(),
  file_size: z.number(),
  checksum_sha256: z.string(),
  content_type: z.string().nullable(),
  description: z.string().nullable(),
  retention_policy: retentionPolicySchema,
  ttl_days: z.number().nullable(),
  ttl_expires_at: timestamp.nullable(),
  storage_element_id: z.string(),
  storage_path: z.string(),
  uploaded_by: z.string().nullable(),
  user_metadata: z.record(z.string(), z.unknown()).nullable(),
  tags: z.array(z.string()).nullable(),
  created_at: timestamp,
  updated_at: timestamp,
  // Fields that events carry and a registry need not show.
  compressed: z.boolean().nullish(),
  compression_algorithm: z.string().nullish(),
  original_size: z.number().nullish(),
  upload_source_ip: z.string().nullish(),
  deleted_at: timestamp.nullable().optional(),
  version: z.number().int().positive().optional(),
});
export type RegistryFile = z.infer<typeof registryFileSchema>;

export const uploadAnswerSchema = z.object({
  file_id: z.uuid(),
  original_filename: z.string(),
  storage_filename: z.string(),
  file_size: z.number(),
  checksum: z.string(),
  uploaded_at: timestamp,
  storage_element_id: z.string(),
  retention_policy: retentionPolicySchema,
  ttl_expires_at: timestamp.nullable(),
});
export type UploadAnswer = z.infer<typeof uploadAnswerSchema>;

/** A file as search (query) shows it. */
export const searchHitSchema = z.object({
  id: z.uuid(),
  filename: z.string(),
  storage_filename: z.string(),
  file_size: z.number(),
  mime_type: z.string().nullable(),
  sha256_hash: z.string(),
  username: z.string().nullable(),
  tags: z.array(z.string()).nullable(),
  description: z.string().nullable(),
  created_at: timestamp,
  updated_at: timestamp,
  storage_element_id: z.string(),
  relevance_score: z.number().nullable().optional(),
});
export type SearchHit = z.infer<typeof searchHitSchema>;

export const searchAnswerSchema = z.object({
  results: z.array(searchHitSchema),
  total_count: z.number(),
  limit: z.number(),
  offset: z.number(),
  has_more: z.boolean(),
});
export type SearchAnswer = z.infer<typeof searchAnswerSchema>;

export const queryReadinessSchema = z.object({ status: z.string(), database: z.string(), cache: z.string() });

/** RFC 9457 problem document. */
export const problemSchema = z.object({
  type: z.string().default('about:blank'),
  title: z.string(),
  status: z.number(),
  detail: z.string().optional(),
  instance: z.string().optional(),
});

/** GET /version; a service may return more. */
export const versionAnswerSchema = z.object({ version: z.string(), git_sha: z.string().optional() });

/** The calls of the HTTP contract, as a mapping names them. */
export const CONTRACT_CALLS = [
  'POST /api/v1/auth/token',
  'GET /.well-known/jwks.json',
  'POST /api/v1/files',
  'GET /api/v1/files',
  'GET /api/v1/files/{id}',
  'PUT /api/v1/files/{id}',
  'DELETE /api/v1/files/{id}',
  'POST /api/v1/files/upload',
  'POST /api/search',
  'GET /api/search/{id}',
  'GET /api/download/{id}',
  'GET /health/live',
  'GET /health/ready',
  'GET /metrics',
  'GET /version',
] as const;
