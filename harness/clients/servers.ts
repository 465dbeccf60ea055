import { Redis } from 'ioredis';
import pg from 'pg';

export interface DatabaseAddress {
  host: string;
  port: number;
  database: string;
  user: string;
  password: string;
  /** Shown in pg_stat_activity; by default that of an observer, which no fault targets. */
  applicationName?: string;
}

/** What the harness's own connections are called. */
export const OBSERVER = 'syncproof-observer';

/** A small pool for observers, past the fault proxy. Close it with `end()`. */
export function connectPostgres({ applicationName = OBSERVER, ...access }: DatabaseAddress): pg.Pool {
  const pool = new pg.Pool({
    ...access,
    max: 2,
    application_name: applicationName,
    connectionTimeoutMillis: 5000,
    query_timeout: 5000,
  });
  // Without a listener the error of an idle connection (PostgreSQL was killed on purpose) would end the process.
  pool.on('error', () => {});
  return pool;
}

/**
 * An observer's client, past the fault proxy. Its commands fail soon during a Redis outage and are never sent twice; it
 * reconnects with a short, constant pause. Close it with `disconnect()`.
 */
export function connectRedis(
  address: { host: string; port: number; username?: string; password?: string; tls?: boolean },
  { answerTimeoutMs = 2000 }: { answerTimeoutMs?: number } = {},
): Redis {
  const client = new Redis({
    host: address.host,
    port: address.port,
    username: address.username,
    password: address.password,
    tls: address.tls === true ? {} : undefined,
    connectionName: OBSERVER,
    connectTimeout: 2000,
    socketTimeout: answerTimeoutMs,
    disconnectTimeout: 500,
    maxRetriesPerRequest: 0,
    // The first commands of a case may come before the connection is ready; they fail when it cannot be established.
    enableOfflineQueue: true,
    retryStrategy: () => 50,
  });
  // Faults are intended: a failing command is reported to its caller, so the connection's own error is ignored.
  client.on('error', () => {});
  return client;
}
