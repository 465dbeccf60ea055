import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { SERVICE_NAMES } from '../../harness/contract/names.ts';
import type { Environment } from '../../harness/environment/environment.ts';
import { startProcesses } from '../../harness/environment/processes.ts';
import { memoryRecorder } from '../../harness/record/writer.ts';
import { type LeaderSession, openLeaderSession } from '../../services/admin/outbox-store.ts';
import { createLog } from '../../services/common/log.ts';
import { migrate } from '../../services/common/postgres.ts';

const MIGRATIONS = fileURLToPath(new URL('../../services/admin/migrations', import.meta.url));
const MEGABYTE = 1024 * 1024;

let environment: Environment;
let pool: pg.Pool;
let session: LeaderSession;

beforeAll(async () => {
  environment = await startProcesses({
    kind: 'processes',
    profile: 'default',
    recorder: memoryRecorder(),
    deferred: SERVICE_NAMES,
  });
  const { host, port, user, password, database } = environment.databaseAccess('admin');
  const url = `postgres://${user}:${password}@${host}:${port}/${database}`;
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
  const rows = await session.unpublished();
  await session.markPublished(rows.map((row) => row.seq));
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
