import { request } from 'node:http';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { SyncproofError } from '../../core/errors.ts';
import type { RedisAddress, ServerAddress } from '../common/environment.ts';

/** A connection was established, or was being made, but no answer came in time: a paused or cut-off component. */
export class NoAnswerError extends SyncproofError {}

/** How long one probe may take. */
const PROBE_TIMEOUT_MS = 1000;

/** Sends bytes over a fresh connection and gives what came back once `complete` accepts it. */
function exchange(
  address: ServerAddress & { tls?: boolean },
  message: Buffer | string,
  complete: (answer: Buffer) => boolean,
  timeoutMs: number,
): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const { host, port, tls = false } = address;
  const socket = tls ? connectTls({ host, port }) : connect({ host, port });
  let answer = Buffer.alloc(0);
  const timeout = setTimeout(
    () => reject(new NoAnswerError(`no answer from ${host}:${port} within ${timeoutMs} ms`)),
    timeoutMs,
  );
  socket.on(tls ? 'secureConnect' : 'connect', () => socket.write(message));
  socket.on('data', (chunk) => {
    answer = Buffer.concat([answer, chunk]);
    if (complete(answer)) resolve(answer);
  });
  socket.on('error', reject);
  socket.on('close', () => reject(new SyncproofError(`${host}:${port} closed the connection`)));
  return promise.finally(() => {
    clearTimeout(timeout);
    socket.destroy();
  });
}

/**
 * Asks PostgreSQL as pg_isready does: a startup message, answered by a request to authenticate once the server takes
 * connections, and by an error while it starts or recovers (PostgreSQL documentation, "Message Formats").
 */
export async function pingPostgres(address: ServerAddress, timeoutMs = PROBE_TIMEOUT_MS): Promise<void> {
  const parameters = Buffer.from('user\0syncproof_probe\0database\0postgres\0\0');
  const head = Buffer.alloc(8);
  head.writeInt32BE(8 + parameters.length, 0);
  head.writeInt32BE(3 << 16, 4);
  const answer = await exchange(address, Buffer.concat([head, parameters]), (bytes) => bytes.length >= 5, timeoutMs);
  if (answer[0] !== 'R'.charCodeAt(0))
    throw new SyncproofError(`PostgreSQL said ${answer.toString('latin1', 5).replaceAll('\0', ' ')}`);
}

export interface HttpProbe {
  method?: 'GET' | 'POST';
  /** Sent as JSON. */
  body?: unknown;
  timeoutMs?: number;
}

/** One HTTP request over a connection of its own; gives the answer's status and body. */
export function httpProbe(url: string, options: HttpProbe = {}): Promise<{ status: number; body: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: string }>();
  const timeoutMs = options.timeoutMs ?? PROBE_TIMEOUT_MS;
  const sent = request(
    url,
    {
      method: options.method ?? 'GET',
      agent: false,
      headers: options.body === undefined ? {} : { 'content-type': 'application/json' },
      signal: AbortSignal.timeout(timeoutMs),
    },
    (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => {
        body += chunk;
      });
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    },
  );
  sent.on('error', (error) =>
    reject(
      error.name === 'AbortError' || error.name === 'TimeoutError'
        ? new NoAnswerError(`no answer from ${url} within ${timeoutMs} ms`)
        : error,
    ),
  );
  sent.end(options.body === undefined ? undefined : JSON.stringify(options.body));
  return promise;
}

/** @throws when the answer's status is not the expected one */
export async function expectStatus(url: string, status = 200, options: HttpProbe = {}): Promise<string> {
  const answer = await httpProbe(url, options);
  if (answer.status !== status)
    throw new SyncproofError(`${url} answered ${answer.status}: ${answer.body.slice(0, 300)}`);
  return answer.body;
}

/** The error code of a connection attempt, e.g. ECONNREFUSED; undefined when the connection was established. */
export function connectError(address: ServerAddress, timeoutMs = PROBE_TIMEOUT_MS): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const socket = connect({ host: address.host, port: address.port });
  const timeout = setTimeout(() => resolve('ETIMEDOUT'), timeoutMs);
  socket.once('connect', () => resolve(undefined));
  socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  return promise.finally(() => {
    clearTimeout(timeout);
    socket.destroy();
  });
}

/** @throws when Redis does not say PONG (an error reply such as LOADING included) */
export async function pingRedis(address: RedisAddress, timeoutMs = PROBE_TIMEOUT_MS): Promise<void> {
  const answer = await ask(address, 'PING', (text) => text.includes('\r\n'), timeoutMs);
  if (!answer.startsWith('+PONG')) throw new SyncproofError(`Redis said ${answer.trim()}`);
}

/** Redis' INFO section `server`, e.g. `redis_version` and `run_id` (new at every start). */
export async function redisServerInfo(address: RedisAddress): Promise<Record<string, string>> {
  const isWhole = (text: string): boolean => {
    const end = text.indexOf('\r\n');
    if (end < 0 || text[0] !== '$') return end >= 0;
    return text.length >= end + 2 + Number(text.slice(1, end)) + 2;
  };
  const text = await ask(address, 'INFO server', isWhole, PROBE_TIMEOUT_MS);
  if (!text.startsWith('$')) throw new SyncproofError(`Redis said ${text.trim()}`);
  return Object.fromEntries(
    text.split('\r\n').flatMap((line) => {
      const colon = line.indexOf(':');
      return colon < 0 ? [] : [[line.slice(0, colon), line.slice(colon + 1)]];
    }),
  );
}

/** Logs in first where that is needed, on the same connection, and gives the reply to the command alone. */
async function ask(
  address: RedisAddress,
  command: string,
  isWhole: (text: string) => boolean,
  timeoutMs: number,
): Promise<string> {
  const { username, password } = address;
  const words = ['AUTH', username, password].filter((word) => word !== undefined);
  const login = password === undefined ? '' : askRedis(words);
  // The reply to a login is one line. One that failed says so again in the reply to the command.
  const reply = (bytes: Buffer): string => {
    const text = bytes.toString('latin1');
    if (login === '') return text;
    const end = text.indexOf('\r\n');
    return end < 0 ? '' : text.slice(end + 2);
  };
  const complete = (bytes: Buffer): boolean => isWhole(reply(bytes));
  return reply(await exchange(address, `${login}${command}\r\n`, complete, timeoutMs));
}

/** As the protocol has it, since a password may hold anything (Redis documentation, "Redis serialization protocol"). */
function askRedis(words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`;
}
