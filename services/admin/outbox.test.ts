import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { Environment } from '../../harness/environment/common/environment.ts';
import { startReference } from '../../harness/environment/fixtures/reference.ts';
import { pause } from '../common/backoff.ts';
import { createLog } from '../common/log.ts';
import { migrate } from '../common/postgres.ts';
import { createRedisClient } from '../common/redis.ts';
import { SERVICE_NAMES } from '../contract/names.ts';
import { startOutboxRelay } from './outbox-relay.ts';
import { type LeaderSession, openLeaderSession } from './outbox-store.ts';

const MIGRATIONS = fileURLToPath(new URL('./migrations', import.meta.url));
const MEGABYTE = 1024 * 1024;

let environment: Environment;
let pool: pg.Pool;
let url: string;
let session: LeaderSession;

beforeAll(async () => {
  environment = await startReference({ deferred: SERVICE_NAMES });
  const { host, port, user, password, database } = environment.databaseAccess('admin');
  url = `postgres://${user}:${password}@${host}:${port}/${database}`;
  pool = new pg.Pool({ connectionString: url, max: 2 });
  await migrate(pool, MIGRATIONS);
  const opened = await openLeaderSession({ url, log: createLog('admin', 'silent'), applicationName: 'test-relay' });
  if (opened === undefined) throw new Error('Expected nobody else to lead');
  session = opened;
}, 60_000);

afterAll(async () => {
  await session?.[Symbol.asyncDispose]();
  await pool?.end();
  await environment?.stop();
});

it('migrations of a checkout with CR LF are those that were applied', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'syncproof-migrations-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  for (const name of await readdir(MIGRATIONS)) {
    const sql = await readFile(join(MIGRATIONS, name), 'utf8');
    await writeFile(join(folder, name), sql.replaceAll('\n', '\r\n'));
  }
  expect(await migrate(pool, folder)).toEqual([]);
});

beforeEach(async () => {
  await pool.query('TRUNCATE outbox');
});

async function queue(type: 'created' | 'deleted', fileId: string, metadataBytes: number): Promise<void> {
  await pool.query(
    `INSERT INTO outbox (event_type, file_id, version, storage_element_id, occurred_at, metadata)
     VALUES ($1, $2, $3, 's', now(), $4)`,
    [
      `file:${type}`,
      fileId,
      type === 'created' ? 1 : 2,
      type === 'created' ? JSON.stringify('x'.repeat(metadataBytes - 2)) : null,
    ],
  );
}

async function nextBatch(): Promise<string[]> {
  const rows = await session.next([]);
  await session.markPublished(rows);
  return rows.map((row) => `${row.event_type} ${row.file_id}`);
}

describe('batches of the outbox', () => {
  it('never let a deletion overtake the creation that their size left for the next batch', async () => {
    const files = Array.from({ length: 6 }, () => randomUUID());
    for (const id of files) await queue('created', id, MEGABYTE);
    for (const id of files) await queue('deleted', id, 0);
    expect(await nextBatch()).toEqual(files.slice(0, 4).map((id) => `file:created ${id}`));
    const rest = await nextBatch();
    expect(rest).toEqual([
      ...files.slice(4).map((id) => `file:created ${id}`),
      ...files.map((id) => `file:deleted ${id}`),
    ]);
    expect(await nextBatch()).toEqual([]);
  });

  it('hold one event at least, however large, and a deletion that comes first', async () => {
    const [large, other] = [randomUUID(), randomUUID()];
    await queue('deleted', other, 0);
    await queue('created', large, 5 * MEGABYTE);
    await queue('deleted', large, 0);
    expect(await nextBatch()).toEqual([`file:deleted ${other}`, `file:created ${large}`]);
    expect(await nextBatch()).toEqual([`file:deleted ${large}`]);
  });
});

describe('a leader that was paused with a batch in hand', () => {
  const log = createLog('admin', 'silent');

  /** Publishes what waits; after its first read it hangs for longer than a batch may wait, and `meanwhile` happens. */
  async function relayed(meanwhile: () => Promise<void>): Promise<{ ids: string[]; sessions: number }> {
    const { host, port, password } = environment.redisAddress();
    const streamName = `outbox-test-${randomUUID()}`;
    const redis = createRedisClient({
      url: `redis://:${password}@${host}:${port}`,
      log,
      name: 'test-relay',
      socketTimeoutMs: 2000,
    });
    await expect.poll(() => redis.status).toBe('ready');
    await session[Symbol.asyncDispose]();
    let sessions = 0;
    const relay = startOutboxRelay({
      openSession: async () => {
        const opened = await openLeaderSession({ url, log, applicationName: 'test-relay' });
        if (opened === undefined) return undefined;
        sessions++;
        if (sessions > 1) return opened;
        return {
          get alive() {
            // What a process that just woke believes.
            return true;
          },
          next: async (published) => {
            const rows = await opened.next(published);
            if (rows.length > 0) {
              await meanwhile();
              await pause(2100, new AbortController().signal);
            }
            return rows;
          },
          confirm: () => opened.confirm(),
          markPublished: (rows) => opened.markPublished(rows),
          purge: (hours) => opened.purge(hours),
          [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
        };
      },
      redis,
      log,
      streamName,
      streamEntriesMax: 1000,
      pollMs: 10,
      retentionHours: 24,
      onPublished: () => {},
      onFailed: () => {},
    });
    try {
      await expect.poll(unpublishedRows, { timeout: 8000 }).toBe(0);
    } finally {
      await relay.stop();
    }
    const entries = await redis.xrange(streamName, '-', '+');
    await redis.quit();
    const ids = entries.map(([, fields]) => String(fields[fields.indexOf('file_id') + 1]));
    return { ids, sessions };
  }

  async function unpublishedRows(): Promise<number> {
    const { rows } = await pool.query<{ count: number }>(
      'SELECT count(*)::int AS count FROM outbox WHERE published_at IS NULL',
    );
    return rows[0]?.count ?? 0;
  }

  it('does not send it when its session ended meanwhile, and reads again once it leads again', async () => {
    const [published, next] = [randomUUID(), randomUUID()];
    await queue('created', published, 100);
    const { ids, sessions } = await relayed(async () => {
      await pool.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test-relay'");
      // Another leader sent it, and more came.
      await pool.query('UPDATE outbox SET published_at = now()');
      await queue('created', next, 100);
    });
    expect(ids).toEqual([next]);
    expect(sessions).toBe(2);
  });

  it('sends it when its session still answers', async () => {
    const id = randomUUID();
    await queue('created', id, 100);
    expect(await relayed(async () => {})).toEqual({ ids: [id], sessions: 1 });
  });
});

describe('a Redis that refuses', () => {
  it('is asked with one event until it takes it, and then given the rest in order', async () => {
    const log = createLog('admin', 'silent');
    const { host, port, password } = environment.redisAddress();
    const redis = createRedisClient({
      url: `redis://:${password}@${host}:${port}`,
      log,
      name: 'test-refused',
      socketTimeoutMs: 2000,
    });
    await expect.poll(() => redis.status).toBe('ready');
    const files = Array.from({ length: 50 }, () => randomUUID());
    for (const id of files) await queue('created', id, 100);
    await redis.config('RESETSTAT');
    await redis.config('SET', 'maxmemory', '1');
    await session[Symbol.asyncDispose]();
    let attempts = 0;
    const streamName = `outbox-test-${randomUUID()}`;
    const relay = startOutboxRelay({
      openSession: () => openLeaderSession({ url, log, applicationName: 'test-relay' }),
      redis,
      log,
      streamName,
      streamEntriesMax: 1000,
      pollMs: 10,
      retentionHours: 24,
      onPublished: () => {},
      onFailed: () => {
        attempts++;
      },
    });
    try {
      await expect.poll(() => attempts, { timeout: 8000 }).toBeGreaterThanOrEqual(5);
      const stats = await redis.info('commandstats');
      const refused = Number(/cmdstat_xadd:.*rejected_calls=(\d+)/.exec(stats)?.[1]);
      expect(refused).toBeGreaterThan(files.length);
      expect(refused).toBeLessThan(2 * files.length);
      await redis.config('SET', 'maxmemory', '0');
      await expect.poll(() => redis.xlen(streamName), { timeout: 8000 }).toBe(files.length);
    } finally {
      await relay.stop();
    }
    const entries = await redis.xrange(streamName, '-', '+');
    expect(entries.map(([, fields]) => fields[fields.indexOf('file_id') + 1])).toEqual(files);
    await redis.quit();
  });
});
