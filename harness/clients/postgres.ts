import pg from 'pg';

export interface DatabaseAddress {
  host: string;
  port: number;
  database: string;
  user: string;
  password: string;
  /** Shown in pg_stat_activity; by default that of an observer, whom no fault is meant for. */
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
