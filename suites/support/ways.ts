import type { PipelineClient, UploadInput } from '../../harness/index.ts';
import type { CaseContext } from './case.ts';
import { registration } from './registrations.ts';
import { sha256 } from './steps.ts';

/** A way in which a file comes into being. */
export interface Way {
  how: 'upload' | 'registration';
  /** Throws nothing for what the target answers. A field that `input` lacks is not sent. */
  create(input: UploadInput): ReturnType<PipelineClient['upload']>;
}

/** Every way that the target has: registrations always, uploads where there is an ingester. */
export function waysOf({ env, pipeline, random }: Pick<CaseContext, 'env' | 'pipeline' | 'random'>): Way[] {
  const byRegistration: Way = {
    how: 'registration',
    create: ({ filename, content, contentType, description, tags, metadata, retentionPolicy, ttlDays }) =>
      pipeline.register({
        // A fork of its own: creations at once must not depend on which is asked first.
        ...registration(random.fork(filename), {
          original_filename: filename,
          file_size: content.byteLength,
          checksum_sha256: sha256(content),
          content_type: contentType,
          description,
          tags: tags === undefined ? undefined : [...tags],
          user_metadata: metadata,
          retention_policy: retentionPolicy ?? 'permanent',
          ttl_days: ttlDays,
        }),
      }),
  };
  const byUpload: Way = { how: 'upload', create: (input) => pipeline.upload(input) };
  return env.capabilities.has('upload') ? [byRegistration, byUpload] : [byRegistration];
}
