import { randomUUID } from 'node:crypto';
import swagger from '@fastify/swagger';
import {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyReply,
  type FastifyRequest,
  fastify,
  LogController,
} from 'fastify';
import {
  hasZodFastifySchemaValidationErrors,
  jsonSchemaTransform,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { ServiceName } from '../contract/names.ts';
import { BodyWatch } from './body-watch.ts';
import { buildFacts, type CommonSettings, publicSettings } from './config.ts';
import type { Log, ServiceMetrics } from './log.ts';
import {
  badParameter,
  HttpProblem,
  isUnavailable,
  type ParameterFault,
  PROBLEM_MEDIA_TYPE,
  problemDocument,
  rawProblem,
} from './problem.ts';
import { findUnstorableText, InexactJsonError, parseExactJson } from './text.ts';

/** Answer of `/health/ready`: 200 when `ready`, else 503. */
export interface Readiness {
  ready: boolean;
  body: { status: string } & Record<string, string>;
}

export interface HttpServiceOptions {
  name: ServiceName;
  config: CommonSettings;
  /** The shape that `config` was loaded with; tells which settings `/version` may show. */
  settings: Record<string, z.ZodType>;
  log: Log;
  metrics: ServiceMetrics;
  /** Must answer within a second, even during an outage. */
  readiness: () => Promise<Readiness>;
  /** While this is false, every call but health, metrics, version and openapi is answered with 503. */
  started?: () => boolean;
  /** Largest JSON body, in bytes. */
  bodyBytesMax?: number;
  /** Window in which the rate of a body is measured, in ms. */
  bodyWindowMs?: number;
}

const versionAnswerSchema = z.object({
  service: z.string(),
  version: z.string(),
  git_sha: z.string(),
  built_at: z.string(),
  config: z.record(z.string(), z.unknown()),
});

const STILL_CONNECTION_MS = 60_000;
const BODY_WINDOW_MS = 20_000;
/** Codes of Node's HTTP parser. */
const NO_REQUEST: Readonly<Record<string, readonly [status: number, detail: string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'The head of the request is too large.'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'The extensions of a chunk are too large.'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'The head of the request arrived too slowly.'],
};
const REQUEST_ID = /^[\w.:-]{1,128}$/;
/** PostgreSQL's class 22: the statement is right, a value in it is not, e.g. a date of the year 0. */
const DATA_EXCEPTION = /^22[0-9A-Z]{3}$/;
/** Answered whether the service has finished starting or not. */
const ALWAYS_ANSWERED = /^\/(health\/|metrics$|version$|openapi\.json$)/;

/**
 * A service's HTTP side with what all services share: schemas (zod) for requests, answers and `/openapi.json`, health,
 * metrics, version, request ids, problem documents. It does not listen: `await app.listen(...)` is the caller's.
 */
export async function createHttpService(options: HttpServiceOptions) {
  const { name, config, log, metrics } = options;
  const facts = buildFacts(config);
  const bodies = new BodyWatch({ windowMs: options.bodyWindowMs ?? BODY_WINDOW_MS, log });
  const app = fastify({
    loggerInstance: log as FastifyBaseLogger,
    // The onResponse hook below logs one line per answer, at a level that fits it.
    logController: new LogController({ disableRequestLogging: true }),
    // Errors before routing: a path that is no valid URL.
    frameworkErrors: (error, request, reply) => {
      // No hook is called.
      bodies.begin(request.raw, reply.raw);
      sendProblem(
        reply as unknown as FastifyReply,
        error.statusCode ?? 400,
        error.message,
        request as unknown as FastifyRequest,
      );
    },
    // Errors before that: the bytes are not HTTP, or the head is too large or too slow.
    clientErrorHandler: (error, socket) => {
      if (socket.writable && error.code !== 'ECONNRESET') {
        const [status, detail] = NO_REQUEST[error.code] ?? [400, 'This is not an HTTP request.'];
        socket.write(rawProblem(status, detail, '/'));
      }
      socket.destroySoon();
    },
    bodyLimit: options.bodyBytesMax ?? 1024 * 1024,
    // Uploads and downloads may take as long as they make progress (see BodyWatch); an idle connection is closed.
    requestTimeout: 0,
    connectionTimeout: STILL_CONNECTION_MS,
    // The ids of a caller are kept, so that one id follows a request through all services.
    genReqId: (request) => {
      const given = request.headers['x-request-id'];
      return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
    },
    routerOptions: { maxParamLength: 300 },
    // While draining, requests on connections that are already open are still served.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
  }).withTypeProvider<ZodTypeProvider>();

  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, text, done) => {
    try {
      done(null, parseExactJson(String(text)));
    } catch (error) {
      if (error instanceof InexactJsonError) done(badParameter(error.key, error.message));
      else done(new HttpProblem(400, 'The body is not valid JSON.'));
    }
  });
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: `syncproof ${name}`, version: facts.version },
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } } },
    },
    transform: jsonSchemaTransform,
  });

  app.addHook('onClose', async () => bodies.stop());
  app.addHook('onRequest', async (request, reply) => {
    bodies.begin(request.raw, reply.raw);
    reply.header('x-request-id', request.id);
    if (options.started?.() === false && !ALWAYS_ANSWERED.test(request.url.split('?', 1)[0] ?? '')) {
      throw new HttpProblem(503, 'The service is starting: its database has not answered yet.', {
        headers: { 'retry-after': '1' },
      });
    }
  });
  app.addHook('preValidation', async (request) => {
    const fault =
      findUnstorableText(request.params) ?? findUnstorableText(request.query) ?? findUnstorableText(request.body);
    if (fault !== undefined) throw new HttpProblem(400, `${fault.name}: ${fault.reason}`, { errors: [fault] });
  });
  // Otherwise shutdown waits for idle connections.
  let draining = false;
  app.addHook('preClose', async () => {
    draining = true;
  });
  app.addHook('onSend', async (_request, reply, payload) => {
    if (draining) reply.header('connection', 'close');
    return payload;
  });
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'unmatched';
    const labels = { method: request.method, route, status: String(reply.statusCode) };
    metrics.httpSeconds.observe(labels, reply.elapsedTime / 1000);
    const level = reply.statusCode >= 500 ? 'warn' : reply.statusCode >= 400 ? 'info' : 'debug';
    request.log[level]({ ...labels, url: request.url, ms: Math.round(reply.elapsedTime * 10) / 10 }, 'answered');
  });
  app.setErrorHandler((error: FastifyError, request, reply) => sendError(error, request, reply));
  app.setNotFoundHandler((request, reply) =>
    sendProblem(reply, 404, `There is no ${request.method} ${pathOf(request)}.`, request),
  );

  app.get(
    '/health/live',
    { schema: { tags: ['health'], response: { 200: z.object({ status: z.string() }) } } },
    () => ({ status: 'alive' }),
  );
  app.get('/health/ready', { schema: { tags: ['health'] } }, async (_request, reply) => {
    const readiness = await options.readiness();
    const ready = readiness.ready && options.started?.() !== false;
    return reply.code(ready ? 200 : 503).send(readiness.body);
  });
  app.get('/version', { schema: { tags: ['about'], response: { 200: versionAnswerSchema } } }, () => ({
    service: name,
    ...facts,
    config: publicSettings(options.settings, config),
  }));
  app.get('/metrics', { schema: { tags: ['about'] } }, async (_request, reply) => {
    return reply.type(metrics.registry.contentType).send(await metrics.registry.metrics());
  });
  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger());
  return app;
}

export type HttpService = Awaited<ReturnType<typeof createHttpService>>;

function pathOf(request: FastifyRequest): string {
  return request.url.split('?', 1)[0] ?? '/';
}

function sendProblem(
  reply: FastifyReply,
  status: number,
  detail: string | undefined,
  request: FastifyRequest,
  errors: readonly ParameterFault[] = [],
): FastifyReply {
  const body = JSON.stringify(problemDocument(status, detail, pathOf(request), errors));
  // As text that is ready to send: the schemas of a route describe its good answers only.
  return reply.code(status).type(PROBLEM_MEDIA_TYPE).serializer(String).send(body);
}

/** Turns whatever was thrown into a problem document. Errors that the client did not cause reveal no internals. */
function sendError(error: FastifyError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (error instanceof HttpProblem) {
    const status = error.statusCode;
    if (status >= 500) request.log.warn({ err: error }, 'answered with a problem');
    return sendProblem(reply.headers(error.headers), status, error.message, request, error.errors);
  }
  if (hasZodFastifySchemaValidationErrors(error)) {
    const errors = error.validation.map((issue) => ({
      name: issue.instancePath.slice(1).replaceAll('/', '.') || (error.validationContext ?? 'body'),
      reason: issue.message ?? 'invalid',
    }));
    const detail = errors.map((fault) => `${fault.name}: ${fault.reason}`).join('; ');
    return sendProblem(reply, 400, detail, request, errors);
  }
  if (isUnavailable(error)) {
    request.log.warn({ err: error }, 'a server this call needs is unavailable');
    const detail = 'A server that this call needs is not available. Try again later.';
    return sendProblem(reply.header('retry-after', '1'), 503, detail, request);
  }
  if (DATA_EXCEPTION.test(error.code ?? '')) {
    request.log.info({ err: error }, 'the database refused a value');
    return sendProblem(reply, 400, 'A value is outside of what can be stored.', request);
  }
  const status = error.statusCode ?? 500;
  if (status >= 400 && status < 500) return sendProblem(reply, status, error.message, request);
  request.log.error({ err: error }, 'unexpected error');
  return sendProblem(reply, 500, undefined, request);
}
