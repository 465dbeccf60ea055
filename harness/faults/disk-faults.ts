import type { Pool } from 'pg';
import { connectPostgres } from '../clients/postgres.ts';
import { describeError, SyncproofError } from '../core/errors.ts';
import { pollUntil } from '../core/poll.ts';
import type { Environment } from '../environment/environment.ts';
import type { FaultPlan } from './lifecycle.ts';
import { targetOf } from './target.ts';
import { witnessGone } from './witness.ts';

/** SQLSTATE disk_full. */
const DISK_FULL = '53100';
const RELIEVED_MS = 25_000;

/**
 * Nothing more can be written to PostgreSQL's disk. It goes on with what needs no room, or ends when it has to write its
 * log; then healing starts it again. The witness is a sort that needs a temporary file.
 */
export function fillDiskPlan(environment: Environment): FaultPlan {
  const { postgresDisk: disk } = environment;
  const target = targetOf(environment, 'postgres');
  const { control } = target;
  const database = connectPostgres(environment.databaseAccess('query'));
  return {
    kind: 'postgres-disk-full',
    target: 'postgres',
    async check() {
      if (disk === undefined) throw new SyncproofError('The disk of PostgreSQL cannot be filled');
      await writeTemporaryFile(database);
    },
    async apply() {
      await leaveRoomInLog(database);
      await disk?.fill();
    },
    async witness() {
      if (!(await control.running())) return witnessGone(target, target.address());
      try {
        await writeTemporaryFile(database);
      } catch (error) {
        if ((error as { code?: unknown }).code !== DISK_FULL) throw error;
        return `a write is answered with ${DISK_FULL}: ${describeError(error)}`;
      }
      throw new SyncproofError('PostgreSQL can still write');
    },
    async undo() {
      await disk?.relieve();
      await pollUntil(
        async () => {
          if (!(await control.running())) await control.start();
          await writeTemporaryFile(database);
          return true;
        },
        { what: 'PostgreSQL to write again', timeoutMs: RELIEVED_MS },
      );
    },
    async witnessHealed() {
      await writeTemporaryFile(database);
      await database.end();
      return 'PostgreSQL writes again';
    },
  };
}

/** More rows than fit in the least memory that a statement may have. */
async function writeTemporaryFile(database: Pool): Promise<void> {
  const client = await database.connect();
  try {
    await client.query("SET work_mem = '64kB'");
    await client.query('SELECT count(*) FROM generate_series(1, 100000)');
  } finally {
    client.release();
  }
}

/**
 * PostgreSQL writes its log in segments, each made in full when it is begun; without room for the next one it ends. So that
 * it is refused writes first, as on most disks, the segment must not be about to end when the disk is full: if it is in its
 * second half, it is filled up, and the next one is there.
 */
async function leaveRoomInLog(database: Pool): Promise<void> {
  await database.query(`
    WITH log AS (
      SELECT size, (pg_current_wal_insert_lsn() - '0/0'::pg_lsn) % size AS used
      FROM (SELECT pg_size_bytes(current_setting('wal_segment_size')) AS size)
    )
    SELECT pg_logical_emit_message(false, 'syncproof', repeat('x', (size - used)::integer))
    FROM log WHERE used > size / 2`);
}
