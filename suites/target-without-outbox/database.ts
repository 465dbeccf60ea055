import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

const START_TIMEOUT_MS = 30_000;

/** Connections that fail in time, so that requests are answered although the database is away. */
export function connect(url: string): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, max: 10, connectionTimeoutMillis: 3000, query_timeout: 5000 });
  // An idle connection that breaks is replaced at the next request; without a listener it would end the process.
  pool.on('error', () => {});
  return pool;
}

/** Makes the tables as soon as the database answers. */
export async function prepare(pool: pg.Pool, statements: string): Promise<void> {
  for (const untilMs = Date.now() + START_TIMEOUT_MS; ; await sleep(200)) {
    try {
      await pool.query(statements);
      return;
    } catch (error) {
      if (Date.now() > untilMs) throw error;
    }
  }
}

/** Whether the database answers soon enough for a health check. */
export async function answers(pool: pg.Pool): Promise<boolean> {
  const asked = pool.query('SELECT').then(
    () => true,
    () => false,
  );
  return Promise.race([asked, sleep(700, false, { ref: false })]);
}
