import type { Agent } from 'undici';
import { z } from 'zod';
import { type Authenticator, accountOf } from '../common/auth.ts';
import { createHttpService, type HttpService, type Readiness } from '../common/http.ts';
import type { Log, ServiceMetrics } from '../common/log.ts';
import type { Pool } from '../common/postgres.ts';
import { HttpProblem } from '../common/problem.ts';
import { searchAnswerSchema, searchHitSchema } from '../contract/http.ts';
import { addDeadLetterRoutes, type DeadLetterBox } from './dead-letters.ts';
import { sendDownload } from './download.ts';
import { findFile, searchFiles, searchRequestSchema } from './search.ts';
import { type QuerySettings, querySettings } from './settings.ts';

export interface QueryParts {
  config: QuerySettings;
  log: Log;
  metrics: ServiceMetrics;
  /** For searches; the consumer has its own. */
  pool: Pool;
  /** Calls to storage. */
  agent: Agent;
  auth: Authenticator;
  databaseAnswers: () => Promise<boolean>;
  /** Whether Redis answers and the consumer's reads have been answered lately. */
  eventsFlow: () => Promise<boolean>;
  deadLetters: DeadLetterBox;
  /** False until the schema is there. */
  started: () => boolean;
}

const idSchema = z.object({ id: z.uuid() });

/** Searches, single files and downloads, from the read model alone: they need no Redis. */
export async function buildQuery(parts: QueryParts): Promise<HttpService> {
  const { config, log, metrics, pool, agent, auth, started, deadLetters } = parts;
  const app = await createHttpService({
    name: 'query',
    config,
    settings: querySettings,
    log,
    metrics,
    started,
    readiness: () => readiness(parts),
  });
  const security = [{ bearer: [] }];
  const guarded = { onRequest: auth.requireRole() };

  app.post(
    '/api/search',
    {
      ...guarded,
      schema: {
        tags: ['search'],
        summary: 'Search files',
        security,
        body: searchRequestSchema,
        response: { 200: searchAnswerSchema },
      },
    },
    (request) => searchFiles(pool, request.body),
  );

  app.get(
    '/api/search/:id',
    {
      ...guarded,
      schema: { tags: ['search'], summary: 'One file', security, params: idSchema, response: { 200: searchHitSchema } },
    },
    (request) => knownFile(pool, request.params.id),
  );

  app.get(
    '/api/download/:id',
    {
      ...guarded,
      schema: { tags: ['download'], summary: 'The bytes of a file, or a range of them', security, params: idSchema },
    },
    async (request, reply) => {
      const file = await knownFile(pool, request.params.id);
      const gone = new AbortController();
      reply.raw.once('close', () => {
        if (!reply.raw.writableFinished) gone.abort();
      });
      const { token } = accountOf(request);
      return sendDownload(reply, {
        agent,
        storageUrl: config.STORAGE_URL,
        file,
        token,
        conditions: request.headers,
        signal: gone.signal,
      });
    },
  );
  addDeadLetterRoutes(app, deadLetters, auth);
  return app;
}

async function knownFile(pool: Pool, id: string) {
  const file = await findFile(pool, id);
  if (file === undefined) throw new HttpProblem(404, `There is no file ${id}.`);
  return file;
}

/** Without Redis searches continue, and changes arrive later: degraded, not unavailable. */
async function readiness({ databaseAnswers, eventsFlow, started }: QueryParts): Promise<Readiness> {
  const [database, cache] = await Promise.all([databaseAnswers(), eventsFlow()]);
  const ready = database && started();
  return {
    ready,
    body: {
      status: !ready ? 'unavailable' : cache ? 'ready' : 'degraded',
      database: database ? 'ok' : 'unavailable',
      cache: cache ? 'ok' : 'degraded',
    },
  };
}
