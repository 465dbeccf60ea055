import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { PermanentError, shared, succeeds, within } from './backoff.ts';
import { type Log, troubleLog } from './log.ts';

export type Pool = pg.Pool;

export interface PoolOptions {
  /** With `sslmode=verify-full` for TLS verified against the authorities known to Node. */
  url: string;
  /** Certificates of the authorities to trust instead, in PEM form: if given, the connection always uses TLS. */
  ca?: string | undefined;
  log: Log;
  /** Shown in pg_stat_activity. */
  applicationName: string;
  connectionsMax?: number;
  /**
   * A statement without an answer for this long fails and its connection is closed. This covers a suspended backend,
   * too.
   */
  queryTimeoutMs?: number;
  /** Statements are sent without waiting for the answers to those before them. */
  pipeline?: boolean;
}

const CONNECT_TIMEOUT_MS = 2000;

/** Options of every connection, pooled or not: each wait has a bound. */
export function connectionOptions(options: PoolOptions): pg.ClientConfig {
  return {
    ...address(options),
    application_name: options.applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: options.queryTimeoutMs ?? 5000,
    pipeline: options.pipeline ?? false,
    keepAlive: true,
    keepAliveInitialDelayMillis: 5000,
  };
}

function address({ url, ca }: PoolOptions): pg.ClientConfig {
  if (ca === undefined) return { connectionString: url };
  const withoutMode = new URL(url);
  // The address would override the option.
  withoutMode.searchParams.delete('sslmode');
  return { connectionString: withoutMode.href, ssl: { ca } };
}

export function createPool(options: PoolOptions): Pool {
  const max = options.connectionsMax ?? 10;
  const pool = new pg.Pool({ ...connectionOptions(options), max, idleTimeoutMillis: 30_000 });
  // Without a listener the error of an idle connection (the server was killed) would end the process.
  const trouble = troubleLog(options.log, 'postgres pool');
  pool.on('error', (error) => trouble.begin(error));
  pool.on('connect', () => trouble.end());
  discardWithTheFirst(pool);
  return pool;
}

/**
 * If one connection was lost (half-open, reset, closed by the server), most likely all others on the same route were,
 * too: those that are idle now are closed. Otherwise each would cost a request the wait for an answer that never
 * arrives.
 */
function discardWithTheFirst(pool: Pool): void {
  let discarding = false;
  pool.on('release', (error) => {
    if (discarding || !isLoss(error)) return;
    discarding = true;
    const idle = Array.from({ length: pool.idleCount }, () => pool.connect());
    void Promise.allSettled(idle).then((lent) => {
      for (const each of lent) if (each.status === 'fulfilled') each.value.release(true);
      discarding = false;
    });
  });
}

/** An error reply shows that the server is reachable. `true`: its user found the connection unusable. */
function isLoss(error: unknown): boolean {
  return Boolean(error) && !(error instanceof pg.DatabaseError && error.severity === 'ERROR');
}

/**
 * Lends a connection of the pool. After an error that the server answered, what was open is rolled back; after any
 * other the connection is closed instead of given back, which does the same. While it is lent, the pool does not listen
 * for its errors, and an unhandled one would end the process.
 */
export async function withClient<T>(pool: Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  // A pending statement gets the error, too.
  const unheard = (): void => {};
  client.on('error', unheard);
  try {
    const result = await work(client);
    client.removeListener('error', unheard);
    client.release();
    return result;
  } catch (error) {
    const usable = await rollBack(client, error);
    client.removeListener('error', unheard);
    client.release(!usable);
    throw error;
  }
}

/** A new connection costs ten times what a ROLLBACK does. @returns whether the connection can be used again */
async function rollBack(client: pg.PoolClient, error: unknown): Promise<boolean> {
  if (isLoss(error)) return false;
  try {
    await client.query('ROLLBACK');
    return true;
  } catch {
    // The connection broke meanwhile; the earlier error is the one reported.
    return false;
  }
}

/** Ends the pool; after `ms` it stops waiting for statements that hang. */
export async function closePool(pool: Pool, ms = 2000): Promise<void> {
  await within(ms, 'closing the connections to PostgreSQL', pool.end()).catch(() => {
    // The server hangs: the process is about to end, and its sockets with it.
  });
}

/** A probe for readiness. Calls that overlap share one query, so a hanging server ties up one connection only. */
export function createDatabaseProbe(pool: Pool, timeoutMs = 600): () => Promise<boolean> {
  const ask = shared(() => pool.query('SELECT 1'));
  return () => succeeds(timeoutMs, 'SELECT 1', ask());
}

/** The applied migrations are not those of the directory. Retrying does not help. */
class MigrationError extends PermanentError {
  override readonly name = 'MigrationError';
}

/** Any number, as long as all instances that migrate one database use the same. */
const MIGRATION_LOCK = 7_240_311;
const MIGRATION_FILE = /^\d{4}_[a-z0-9_]+\.sql$/;

interface Migration {
  name: string;
  sql: string;
  checksum: string;
}

async function readMigrations(directory: string): Promise<Migration[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.sql')).sort();
  return Promise.all(
    names.map(async (name) => {
      if (!MIGRATION_FILE.test(name))
        throw new MigrationError(`Expected ${name} to be named like 0001_what_it_does.sql`);
      // A checkout may have converted line ends to CR LF, which does not change the migration.
      const text = await readFile(join(directory, name), 'utf8');
      const sql = text.replaceAll('\r\n', '\n');
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
    }),
  );
}

/**
 * Applies the `NNNN_name.sql` files of a directory that are not applied yet, in order, all in one transaction.
 * Instances that start together wait for each other (advisory lock).
 * @returns the names of those it applied
 * @throws MigrationError when an applied file was changed or is gone
 */
export async function migrate(pool: Pool, directory: string): Promise<string[]> {
  const wanted = await readMigrations(directory);
  return withClient(pool, async (client) => {
    await client.query('BEGIN');
    await client.query('SELECT pg_advisory_xact_lock($1)', [MIGRATION_LOCK]);
    await client.query(`CREATE TABLE IF NOT EXISTS schema_migrations
      (name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`);
    const { rows } = await client.query<{ name: string; checksum: string }>(
      'SELECT name, checksum FROM schema_migrations ORDER BY name',
    );
    const applied = new Map(rows.map((row) => [row.name, row.checksum]));
    for (const [name, recorded] of applied) {
      const checksum = wanted.find((migration) => migration.name === name)?.checksum;
      if (checksum === undefined)
        throw new MigrationError(`Migration ${name} is applied to the database but unknown to this build`);
      if (checksum !== recorded)
        throw new MigrationError(`Migration ${name} was changed after it was applied: ${recorded} is now ${checksum}`);
    }
    const missing = wanted.filter((migration) => !applied.has(migration.name));
    for (const { name, sql, checksum } of missing) {
      await client.query(sql);
      await client.query('INSERT INTO schema_migrations (name, checksum) VALUES ($1, $2)', [name, checksum]);
    }
    await client.query('COMMIT');
    return missing.map((migration) => migration.name);
  });
}
