import { Redis } from 'ioredis';
import { backoffMs, shared, succeeds } from './backoff.ts';
import { type Log, troubleLog } from './log.ts';

export type RedisClient = Redis;

/** The address of Redis, and the authorities that verify its certificate. */
export interface RedisServer {
  /** `rediss://` for TLS verified against the authorities known to Node. */
  url: string;
  /** Certificates of the authorities to trust instead, in PEM form: if given, the connection always uses TLS. */
  ca?: string | undefined;
}

export interface RedisClientOptions extends RedisServer {
  log: Log;
  /** Shown by CLIENT LIST. */
  name: string;
  /**
   * The connection is closed and its commands fail when an answer takes longer, in ms. For a client that blocks
   * (XREADGROUP BLOCK) a little over the blocking time.
   */
  socketTimeoutMs: number;
}

/**
 * A client whose commands fail soon while Redis is killed, suspended, unreachable or silent, and are never sent twice:
 * no offline queue, no retries per command, no commandTimeout (the command would still run later). It reconnects for
 * ever with a short, constant pause. A blocking reader needs a client of its own.
 */
export function createRedisClient(options: RedisClientOptions): RedisClient {
  const client = new Redis(options.url, {
    tls: options.ca === undefined ? undefined : { ca: options.ca },
    lazyConnect: true,
    connectionName: options.name,
    // CLIENT SETINFO would need another right, which servers before 7.2 do not know.
    disableClientInfo: true,
    connectTimeout: 2000,
    socketTimeout: options.socketTimeoutMs,
    disconnectTimeout: 500,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    keepAlive: 5000,
    // A server that is still loading its data is retried soon: ioredis would trust its estimate, a whole second at
    // least.
    maxLoadingRetryTime: 50,
    retryStrategy: () => backoffMs(1, { ms: 50, msMax: 50 }),
  });
  const trouble = troubleLog(options.log, `redis client ${options.name}`);
  client.on('error', (error) => trouble.begin(error));
  client.on('ready', () => trouble.end());
  // A failed first attempt is followed by retries, and was reported by the error event.
  client.connect().catch(() => {});
  return client;
}

/** Closes the connection without waiting for replies. */
export function closeRedis(client: RedisClient): void {
  client.disconnect();
}

/** A probe for readiness: PING on a client that does not block. Calls that overlap share one PING. */
export function createRedisProbe(client: RedisClient, timeoutMs = 500): () => Promise<boolean> {
  const ask = shared(() => client.ping());
  return async () => client.status === 'ready' && succeeds(timeoutMs, 'PING', ask());
}
