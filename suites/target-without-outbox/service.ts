import { setTimeout as sleep } from 'node:timers/promises';
import { type FastifyError, type FastifyInstance, fastify } from 'fastify';
import { Redis } from 'ioredis';
import pg from 'pg';

/** Ends a request with this status, anywhere in it. */
export class Refusal extends Error {
  readonly statusCode: number;

  constructor(statusCode: number, detail: string) {
    super(detail);
    this.statusCode = statusCode;
  }
}

/** JSON Schema of a text. PostgreSQL has no form for NUL, UTF-8 none for half a surrogate pair. */
export const text = (maxLength: number, minLength = 0) =>
  ({ type: 'string', minLength, maxLength, pattern: '^[^\\0\\p{Cs}]*$' }) as const;
export const integer = (minimum: number, maximum: number = Number.MAX_SAFE_INTEGER) =>
  ({ type: 'integer', minimum, maximum }) as const;
export const list = (items: object, maxItems: number) => ({ type: 'array', items, maxItems }) as const;
export const moment = { type: 'string', format: 'date-time' } as const;
export const uuid = { type: 'string', pattern: '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' } as const;
/** What else a body has is left out. */
export const object = (properties: Readonly<Record<string, object>>, required: readonly string[] = []) =>
  ({ type: 'object', properties, required, additionalProperties: false }) as const;

export const ofId = object({ id: uuid });
export interface OfId {
  Params: { id: string };
}

interface ServiceOptions {
  name: string;
  pool: pg.Pool;
  /** Whether Redis works. */
  connected(): boolean;
  metrics(): Promise<Readonly<Record<string, number>>>;
}

/** An HTTP server with what every service answers: whether it lives, what it is, how it fares. */
export function createService({ name, pool, connected, metrics }: ServiceOptions): FastifyInstance {
  const app = fastify({
    // The text "7" is no number.
    ajv: { customOptions: { coerceTypes: false } },
    return503OnClosing: false,
    forceCloseConnections: 'idle',
  });
  app.setErrorHandler<FastifyError>((error, request, reply) => {
    const { validation, validationContext, statusCode = 503 } = error;
    const status = validationContext === 'params' ? 404 : validation ? 422 : statusCode;
    // Nothing but servers fails here: the request was right, and can be done later.
    if (status === 503) console.error(`${request.method} ${request.url}: ${error}`);
    const detail = status === 503 ? 'A server does not answer' : error.message;
    return reply
      .code(status)
      .type('application/problem+json')
      .send({ type: 'about:blank', title: detail, status, detail });
  });
  app.get('/health/live', () => ({ status: 'ok' }));
  app.get('/health/ready', async (_request, reply) => {
    const up = await answers(pool);
    const state = up ? 'ok' : 'down';
    return reply.code(up ? 200 : 503).send({ status: state, database: state, cache: connected() ? 'ok' : 'degraded' });
  });
  app.get('/version', () => ({ service: name, version: '1.0', git_sha: 'unknown', config: {} }));
  app.get('/metrics', async (_request, reply) => {
    const all = { process_start_time_seconds: performance.timeOrigin / 1000, ...(await metrics()) };
    reply.type('text/plain; version=0.0.4');
    return Object.entries(all)
      .map(([metric, value]) => `${metric} ${value}\n`)
      .join('');
  });
  return app;
}

/** Serves until SIGTERM or SIGINT; then answers the requests in progress, runs `drain`, and exits with 0. */
export async function serve(app: FastifyInstance, port: number, drain: () => Promise<void>): Promise<void> {
  const stop = async (): Promise<void> => {
    // A connection that was busy at first would be held by its client, and the end with it.
    setInterval(() => app.server.closeIdleConnections(), 50).unref();
    await app.close();
    await drain();
    process.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, stop);
  await app.listen({ host: '127.0.0.1', port });
}

const START_TIMEOUT_MS = 30_000;

/**
 * Connections to PostgreSQL that fail in time, so that requests are answered during its outage. Resolves when it has
 * answered and has these tables.
 */
export async function openDatabase(connectionString: string, tables: string): Promise<pg.Pool> {
  const pool = new pg.Pool({ connectionString, max: 10, connectionTimeoutMillis: 3000, query_timeout: 5000 });
  // An idle connection that breaks is replaced at the next request; without a listener it would end the process.
  pool.on('error', () => {});
  for (const untilMs = Date.now() + START_TIMEOUT_MS; ; await sleep(200)) {
    try {
      await pool.query(tables);
      return pool;
    } catch (error) {
      if (Date.now() > untilMs) throw error;
    }
  }
}

/** Whether the database answers soon enough for a health check. */
function answers(pool: pg.Pool): Promise<boolean> {
  const asked = pool.query('SELECT').then(
    () => true,
    () => false,
  );
  return Promise.race([asked, sleep(700, false, { ref: false })]);
}

/**
 * A command fails during a Redis outage instead of waiting: its caller knows best when to try again. A server that
 * says nothing counts as unavailable after `silentMs`.
 */
export function openRedis(url: string, silentMs: number): Redis {
  const redis = new Redis(url, {
    connectTimeout: 2000,
    socketTimeout: silentMs,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    retryStrategy: () => 200,
  });
  // Each failed command says it, too.
  redis.on('error', () => {});
  return redis;
}
