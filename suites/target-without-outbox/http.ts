import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

/** What a route answers; an object is sent as JSON. */
export interface Reply {
  status: number;
  body?: unknown;
}

/** Ends a request with this status, anywhere in it. */
export class Refusal extends Error {
  readonly status: number;

  constructor(status: number, detail: string) {
    super(detail);
    this.status = status;
  }
}

export interface Request {
  /** What stands in the braces of the route's path. */
  id: string;
  query: URLSearchParams;
  authorization: string | undefined;
  /** The parsed JSON. @throws Refusal (400, 413) */
  json(): Promise<unknown>;
}

/** `GET /api/search/{id}` → what answers it. */
export type Routes = Readonly<Record<string, (request: Request) => Promise<Reply> | Reply>>;

const BODY_BYTES_MAX = 2 ** 20;
const STOP_GRACE_MS = 5000;

/** Serves until SIGTERM or SIGINT; then answers what is under way, runs `drain`, and exits with 0. */
export function serve(routes: Routes, port: number, drain: () => Promise<void>): void {
  let stopping = false;
  const server = createServer((message, response) => {
    void answer(routes, message).then((reply) => {
      // Else a client would hold its connection, and the end up.
      if (stopping) response.setHeader('connection', 'close');
      send(response, reply);
    });
  });
  server.listen(port, '127.0.0.1');
  const stop = (): void => {
    stopping = true;
    setTimeout(() => server.closeAllConnections(), STOP_GRACE_MS).unref();
    server.close(() => void drain().finally(() => process.exit(0)));
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, stop);
}

async function answer(routes: Routes, message: IncomingMessage): Promise<Reply> {
  const url = new URL(message.url ?? '/', 'http://any');
  const [, path = '', id = ''] = /^(\/api\/(?:v1\/files|search)\/)([^/]+)$/.exec(url.pathname) ?? [];
  const named = routes[`${message.method} ${url.pathname}`] ?? routes[`${message.method} ${path}{id}`];
  try {
    if (named === undefined) throw new Refusal(404, 'There is no such call');
    const { authorization } = message.headers;
    return await named({ id, query: url.searchParams, authorization, json: () => readJson(message) });
  } catch (error) {
    // Nothing but databases fails here: the request was right, and can be done later.
    const status = error instanceof Refusal ? error.status : 503;
    if (status === 503) console.error(`${message.method} ${url.pathname}: ${error}`);
    const detail = error instanceof Refusal ? error.message : 'The database does not answer';
    return { status, body: { type: 'about:blank', title: detail, status, detail } };
  } finally {
    // Whatever is left of the body has to be read before the next request of the connection.
    message.resume();
  }
}

async function readJson(message: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of message.iterator({ destroyOnReturn: false })) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) throw new Refusal(413, `The body has more than ${BODY_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString());
  } catch {
    throw new Refusal(400, 'The body is not JSON');
  }
}

function send(response: ServerResponse, { status, body = {} }: Reply): void {
  const text = typeof body === 'string';
  const type = text ? 'text/plain; version=0.0.4' : status < 400 ? 'application/json' : 'application/problem+json';
  response.writeHead(status, { 'content-type': type }).end(text ? body : JSON.stringify(body));
}

const startedAt = Date.now() / 1000 - process.uptime();

/** What every service answers: whether it lives, what it is, how it fares. */
export function commonRoutes(service: string, metrics: () => Promise<Readonly<Record<string, number>>>): Routes {
  return {
    'GET /health/live': () => ({ status: 200, body: { status: 'ok' } }),
    'GET /version': () => ({ status: 200, body: { service, version: '1.0', git_sha: 'unknown', config: {} } }),
    'GET /metrics': async () => {
      const all = { process_start_time_seconds: startedAt, ...(await metrics()) };
      const lines = Object.entries(all).map(([name, value]) => `${name} ${value}\n`);
      return { status: 200, body: lines.join('') };
    },
  };
}
