import { Redis } from 'ioredis';

/** What the harness's own connections are called. */
export const OBSERVER = 'syncproof-observer';

/**
 * An observer's client, past the fault proxy. Its commands fail soon while Redis is away and are never sent twice; it
 * reconnects with a short, constant pause. Close it with `disconnect()`.
 */
export function connectRedis(
  address: { host: string; port: number; username?: string; password?: string; tls?: boolean },
  { answerTimeoutMs = 2000 }: { answerTimeoutMs?: number } = {},
): Redis {
  const client = new Redis({
    host: address.host,
    port: address.port,
    ...(address.username === undefined ? {} : { username: address.username }),
    ...(address.password === undefined ? {} : { password: address.password }),
    ...(address.tls === true ? { tls: {} } : {}),
    connectionName: OBSERVER,
    connectTimeout: 2000,
    socketTimeout: answerTimeoutMs,
    disconnectTimeout: 500,
    maxRetriesPerRequest: 0,
    // The first commands of a case may come before the connection is ready; they fail with it when it cannot be had.
    enableOfflineQueue: true,
    retryStrategy: () => 50,
  });
  // Faults are meant: a command that fails tells its caller, so the connection's own complaint is told to nobody.
  client.on('error', () => {});
  return client;
}
