import type { Readable } from 'node:stream';
import { z } from 'zod';
import type { Authenticator } from '../common/auth.ts';
import { succeeds } from '../common/backoff.ts';
import { commonSettings, text, verifierSettings } from '../common/config.ts';
import { createHttpService, type HttpService, type Readiness } from '../common/http.ts';
import type { Log, ServiceMetrics } from '../common/log.ts';
import { HttpProblem } from '../common/problem.ts';
import type { DeletionKeys } from './deletion-keys.ts';
import { ObjectExistsError, type ObjectStore } from './object-store.ts';

export const storageSettings = {
  ...commonSettings('storage'),
  ...verifierSettings(),
  STORAGE_DIR: text(),
  STORAGE_ELEMENT_ID: text('storage-1'),
};
export type StorageSettings = z.output<z.ZodObject<typeof storageSettings>>;

/** A part of an object, both ends included. */
export interface ByteRange {
  start: number;
  end: number;
}

const SINGLE_RANGE = /^bytes=(\d*)-(\d*)$/i;

/**
 * Reads a `Range` header (RFC 9110 section 14). Several ranges at once and unknown units are answered with the whole,
 * as the RFC allows.
 * @returns undefined for the whole object, `unsatisfiable` for a 416
 */
export function parseRange(header: string | undefined, size: number): ByteRange | 'unsatisfiable' | undefined {
  const match = header === undefined ? null : SINGLE_RANGE.exec(header.replaceAll(' ', ''));
  if (match === null) return undefined;
  const [, first = '', last = ''] = match;
  if (first === '' && last === '') return undefined;
  if (first === '') {
    // The last n bytes.
    const length = Math.min(Number(last), size);
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size - 1 };
  }
  const start = Number(first);
  // Positions may have any number of digits: beyond what a double has exactly, they are beyond the end.
  const end = last === '' ? size - 1 : Number(last);
  if (last !== '' && end < start) return undefined;
  return start >= size ? 'unsatisfiable' : { start, end: Math.min(end, size - 1) };
}

export interface StorageParts {
  config: StorageSettings;
  log: Log;
  metrics: ServiceMetrics;
  store: ObjectStore;
  deletionKeys: DeletionKeys;
  auth: Authenticator;
}

/** No separators, and not `.` or `..`: a name can never lead out of its folder. */
const objectParamsSchema = z.object({
  name: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,255}$/, 'must be 1 to 255 characters of A-Z, a-z, 0-9, dot, underscore, hyphen')
    .refine((name) => !/^\.+$/.test(name), 'must not be made of dots only'),
});

const storedSchema = z.object({
  storage_path: z.string(),
  storage_element_id: z.string(),
  size: z.number(),
  checksum_sha256: z.string(),
  /** Lets its holder remove the object without a token. */
  deletion_key: z.string(),
});
const deletionKeySchema = storedSchema.pick({ deletion_key: true });

const tags = ['objects'];
const security = [{ bearer: [] }];
const url = '/api/v1/objects/:name';
/** Longer than the ingester ever waits for its client: the ingester reports bytes that arrive too slowly. */
const BODY_WINDOW_MS = 120_000;
const DELETION_KEY_HEADER = 'x-deletion-key';

/** Keeps the bytes of files as objects on disk. */
export async function buildStorage(parts: StorageParts): Promise<HttpService> {
  const { config, log, metrics, store, deletionKeys, auth } = parts;
  const app = await createHttpService({
    name: 'storage',
    config,
    settings: storageSettings,
    log,
    metrics,
    bodyWindowMs: BODY_WINDOW_MS,
    readiness: () => readiness(store),
  });
  // Bytes of any type are passed on as they arrive; the size is bounded by who may write, not here.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload));

  app.put<{ Body: Readable | undefined; Params: { name: string } }>(
    url,
    {
      onRequest: auth.requireRole('ADMIN', 'USER'),
      schema: { tags, security, params: objectParamsSchema, response: { 201: storedSchema } },
    },
    async (request, reply) => {
      // Without a content type Fastify parses nothing; the bytes are on the request itself.
      const { name } = request.params;
      const stored = await store.put(name, request.body ?? request.raw).catch((error: unknown) => {
        throw error instanceof ObjectExistsError ? existsProblem(name) : error;
      });
      const answer = { storage_element_id: config.STORAGE_ELEMENT_ID, deletion_key: deletionKeys.keyOf(name) };
      return reply.code(201).send({ ...stored, ...answer });
    },
  );

  // For a client that is about to store an object: the answer to the PUT may be lost, and the object must be removable
  // even then.
  app.post(
    `${url}/deletion-key`,
    {
      onRequest: auth.requireRole('ADMIN', 'USER'),
      schema: { tags, security, params: objectParamsSchema, response: { 200: deletionKeySchema } },
    },
    async (request) => {
      const { name } = request.params;
      // Not for the objects of others: they exist already.
      if (await store.exists(name)) throw existsProblem(name);
      return { deletion_key: deletionKeys.keyOf(name) };
    },
  );

  app.get(
    url,
    { onRequest: auth.requireRole(), schema: { tags, security, params: objectParamsSchema } },
    async (request, reply) => {
      const { name } = request.params;
      const object = await store.open(name);
      if (object === undefined) throw new HttpProblem(404, `There is no object ${name}.`);
      const { size } = object;
      const etag = `"${name}"`;
      // RFC 9110, section 13.1.5: a range of a different object than the intended one is useless.
      const ifRange = request.headers['if-range'];
      const range = ifRange === undefined || ifRange === etag ? parseRange(request.headers.range, size) : undefined;
      if (range === 'unsatisfiable') {
        await object.close();
        throw new HttpProblem(416, `The object has ${size} bytes.`, {
          headers: { 'content-range': `bytes */${size}` },
        });
      }
      // An object never changes under its name.
      reply.header('accept-ranges', 'bytes').header('etag', etag).type('application/octet-stream');
      if (size === 0) {
        await object.close();
        return reply.header('content-length', 0).send(Buffer.alloc(0));
      }
      const { start, end } = range ?? { start: 0, end: size - 1 };
      reply.header('content-length', end - start + 1);
      if (range !== undefined) reply.code(206).header('content-range', `bytes ${start}-${end}/${size}`);
      return reply.send(object.read({ start, end }));
    },
  );

  const requireAdmin = auth.requireRole('ADMIN');
  async function requireDeletionKeyOrAdmin(request: Parameters<typeof requireAdmin>[0]): Promise<void> {
    const key = request.headers[DELETION_KEY_HEADER];
    const { name } = request.params as { name: string };
    if (typeof key !== 'string' || !deletionKeys.matches(name, key)) await requireAdmin(request);
  }
  app.delete(
    url,
    { onRequest: requireDeletionKeyOrAdmin, schema: { tags, security, params: objectParamsSchema } },
    async (request, reply) => {
      await store.remove(request.params.name);
      return reply.code(204).send();
    },
  );
  return app;
}

function existsProblem(name: string): HttpProblem {
  return new HttpProblem(409, `There is an object ${name} already.`);
}

async function readiness(store: ObjectStore): Promise<Readiness> {
  const ready = await succeeds(800, 'writing to the storage folder', store.check());
  return { ready, body: { status: ready ? 'ready' : 'unavailable', storage: ready ? 'ok' : 'unavailable' } };
}
