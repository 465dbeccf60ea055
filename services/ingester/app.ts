import multipart from '@fastify/multipart';
import type { z } from 'zod';
import type { Authenticator } from '../common/auth.ts';
import { commonSettings, httpUrl, integer, verifierSettings } from '../common/config.ts';
import { createHttpService, type HttpService, type Readiness } from '../common/http.ts';
import type { Log, ServiceMetrics } from '../common/log.ts';
import { HttpProblem } from '../common/problem.ts';
import { uploadAnswerSchema } from '../contract/http.ts';
import { STANDARD_PORTS } from '../contract/names.ts';
import { type UploadParts, upload } from './upload.ts';

export const ingesterSettings = {
  ...commonSettings('ingester'),
  ...verifierSettings(),
  STORAGE_URL: httpUrl(`http://127.0.0.1:${STANDARD_PORTS.storage}`),
  /** The largest file, in bytes. */
  UPLOAD_MAX_BYTES: integer({ min: 0, max: 1_000_000_000_000, fallback: 1024 ** 3 }),
  /** How long an upload may be slower than 500 bytes a second, in seconds. */
  UPLOAD_STALL_S: integer({ min: 1, max: 60, fallback: 20 }),
};
export type IngesterSettings = z.output<z.ZodObject<typeof ingesterSettings>>;

export interface IngesterParts extends UploadParts {
  config: IngesterSettings;
  log: Log;
  metrics: ServiceMetrics;
  auth: Authenticator;
  storageAnswers: () => Promise<boolean>;
  adminAnswers: () => Promise<boolean>;
}

/** Takes uploads: bytes go to storage as they arrive, then the file is registered at admin. */
export async function buildIngester(parts: IngesterParts): Promise<HttpService> {
  const { config, log, metrics, auth } = parts;
  const app = await createHttpService({
    name: 'ingester',
    config,
    settings: ingesterSettings,
    log,
    metrics,
    bodyWindowMs: config.UPLOAD_STALL_S * 1000,
    readiness: () => readiness(parts),
  });
  // Names are kept as they are, separators included: they are data, never a path. The size is counted in `upload`.
  await app.register(multipart, { preservePath: true, limits: { fileSize: Number.POSITIVE_INFINITY } });

  app.post(
    '/api/v1/files/upload',
    {
      onRequest: auth.requireRole('ADMIN', 'USER'),
      schema: {
        tags: ['files'],
        security: [{ bearer: [] }],
        consumes: ['multipart/form-data'],
        response: { 201: uploadAnswerSchema },
      },
    },
    async (request, reply) => {
      if (!request.isMultipart()) throw new HttpProblem(415, 'An upload is sent as multipart/form-data.');
      const file = await upload(parts, request);
      return reply.code(201).send({
        file_id: file.file_id,
        original_filename: file.original_filename,
        storage_filename: file.storage_filename,
        file_size: file.file_size,
        checksum: file.checksum_sha256,
        uploaded_at: file.created_at,
        storage_element_id: file.storage_element_id,
        retention_policy: file.retention_policy,
        ttl_expires_at: file.ttl_expires_at,
      });
    },
  );
  return app;
}

async function readiness({ storageAnswers, adminAnswers }: IngesterParts): Promise<Readiness> {
  const [storage, admin] = await Promise.all([storageAnswers(), adminAnswers()]);
  const word = (answers: boolean): string => (answers ? 'ok' : 'unavailable');
  return {
    ready: storage && admin,
    body: { status: storage && admin ? 'ready' : 'unavailable', storage: word(storage), admin: word(admin) },
  };
}
