import type { FastifyRequest } from 'fastify';
import type { Authenticator } from '../common/auth.ts';
import type { HttpService } from '../common/http.ts';
import type { Pool } from '../common/postgres.ts';
import { badParameter, HttpProblem } from '../common/problem.ts';
import {
  changesSchema,
  deletionQuerySchema,
  fileAnswerSchema,
  fileParamsSchema,
  listAnswerSchema,
  listQuerySchema,
  registrationSchema,
} from './file-schemas.ts';
import { createFile, deleteFile, findFile, listFiles, updateFile } from './file-store.ts';

export interface FileRoutesOptions {
  app: HttpService;
  pool: Pool;
  auth: Authenticator;
  /** Called after each commit that wrote an event: the publisher need not wait for its next poll. */
  committed: () => void;
}

/** W3C Trace Context: version 00, with ids that are not all zeros. */
const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

function traceparentOf(request: FastifyRequest): string | undefined {
  const given = request.headers.traceparent;
  return typeof given === 'string' && TRACEPARENT.test(given) ? given : undefined;
}

function unknownFile(fileId: string): HttpProblem {
  return new HttpProblem(404, `There is no file ${fileId}.`);
}

const tags = ['files'];
const security = [{ bearer: [] }];

export function addFileRoutes({ app, pool, auth, committed }: FileRoutesOptions): void {
  const anyone = auth.requireRole();
  const writer = auth.requireRole('ADMIN', 'USER');
  const admin = auth.requireRole('ADMIN');

  app.post(
    '/api/v1/files',
    { onRequest: writer, schema: { tags, security, body: registrationSchema, response: { 201: fileAnswerSchema } } },
    async (request, reply) => {
      const file = await createFile(pool, request.body, traceparentOf(request));
      if (file === undefined) throw new HttpProblem(409, `The file ${request.body.file_id} exists already.`);
      committed();
      return reply.code(201).send(file);
    },
  );

  app.get(
    '/api/v1/files',
    {
      onRequest: anyone,
      schema: { tags, security, querystring: listQuerySchema, response: { 200: listAnswerSchema } },
    },
    async ({ query: { page, page_size } }) => {
      const offset = (page - 1) * page_size;
      const { files, totalCount } = await listFiles(pool, { offset, limit: page_size });
      return { files, total_count: totalCount, page, page_size, has_more: offset + files.length < totalCount };
    },
  );

  app.get(
    '/api/v1/files/:file_id',
    { onRequest: anyone, schema: { tags, security, params: fileParamsSchema, response: { 200: fileAnswerSchema } } },
    async ({ params: { file_id } }) => {
      const file = await findFile(pool, file_id);
      if (file === undefined) throw unknownFile(file_id);
      return file;
    },
  );

  app.put(
    '/api/v1/files/:file_id',
    {
      onRequest: writer,
      schema: { tags, security, params: fileParamsSchema, body: changesSchema, response: { 200: fileAnswerSchema } },
    },
    async (request) => {
      const { file_id } = request.params;
      const changes = request.body;
      if (changes.retention_policy === 'permanent' && (changes.ttl_days ?? changes.ttl_expires_at) != null) {
        throw badParameter(changes.ttl_days == null ? 'ttl_expires_at' : 'ttl_days', 'a permanent file has none');
      }
      const outcome = await updateFile(pool, file_id, changes, traceparentOf(request));
      if (outcome === 'absent') throw unknownFile(file_id);
      if (outcome === 'not-temporary') {
        const name = changes.retention_policy === undefined ? 'ttl_days' : 'retention_policy';
        throw badParameter(name, 'a permanent file cannot become temporary');
      }
      committed();
      return outcome.file;
    },
  );

  app.delete(
    '/api/v1/files/:file_id',
    {
      onRequest: admin,
      schema: {
        tags,
        security,
        params: fileParamsSchema,
        querystring: deletionQuerySchema,
        response: { 200: fileAnswerSchema },
      },
    },
    async (request) => {
      const { file_id } = request.params;
      const outcome = await deleteFile(pool, file_id, request.query.deletion_reason, traceparentOf(request));
      if (outcome === undefined) throw unknownFile(file_id);
      if (outcome.changed) committed();
      return outcome.file;
    },
  );
}
