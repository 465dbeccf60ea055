import { z } from 'zod';

const timestamp = z.iso.datetime({ offset: true });

/** The JSON inside the `metadata` field of a created or updated event. */
export const fileMetadataSchema = z.object({
  file_id: z.uuid(),
  original_filename: z.string(),
  storage_filename: z.string(),
  file_size: z.number().int().nonnegative(),
  checksum_sha256: z.string(),
  content_type: z.string().nullish(),
  description: z.string().nullish(),
  storage_element_id: z.string(),
  storage_path: z.string(),
  compressed: z.boolean().nullish(),
  compression_algorithm: z.string().nullish(),
  original_size: z.number().int().nonnegative().nullish(),
  uploaded_by: z.string().nullish(),
  upload_source_ip: z.string().nullish(),
  created_at: timestamp,
  updated_at: timestamp,
  retention_policy: z.enum(['temporary', 'permanent']).nullish(),
  ttl_expires_at: timestamp.nullish(),
  ttl_days: z.number().int().positive().nullish(),
  user_metadata: z.record(z.string(), z.unknown()).nullish(),
  tags: z.array(z.string()).nullish(),
});
export type FileMetadata = z.infer<typeof fileMetadataSchema>;

const common = {
  timestamp,
  file_id: z.uuid(),
  storage_element_id: z.string(),
  // Additions that a plain producer may lack; a consumer must not depend on them.
  event_id: z.string().optional(),
  version: z.coerce.number().int().positive().optional(),
  traceparent: z.string().optional(),
  /** Rises by one from each published event to the next, so that a reader detects missed events. */
  sequence: z
    .string()
    .regex(/^[1-9]\d{0,18}$/)
    .optional(),
};

const metadataJson = z.string().transform((text, context): FileMetadata => {
  try {
    const parsed = fileMetadataSchema.safeParse(JSON.parse(text));
    if (parsed.success) return parsed.data;
    context.addIssue({ code: 'custom', message: z.prettifyError(parsed.error) });
  } catch (error) {
    context.addIssue({ code: 'custom', message: `metadata is not JSON: ${(error as Error).message}` });
  }
  return z.NEVER;
});

/** One stream entry after its flat field list was folded into an object: every value arrives as a string. */
export const fileEventSchema = z.discriminatedUnion('event_type', [
  z.object({ event_type: z.literal('file:created'), ...common, metadata: metadataJson }),
  z.object({ event_type: z.literal('file:updated'), ...common, metadata: metadataJson }),
  z.object({ event_type: z.literal('file:deleted'), ...common, deleted_at: timestamp }),
]);
export type FileEvent = z.infer<typeof fileEventSchema>;
