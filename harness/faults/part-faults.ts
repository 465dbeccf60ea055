import type { Pool } from 'pg';
import { connectPostgres, OBSERVER } from '../clients/servers.ts';
import { DeadlineError, describeError, NotRestartedError, SyncproofError, UnreachableError } from '../core/errors.ts';
import { monotonicMs, pollUntil } from '../core/time.ts';
import type { Environment } from '../environment/common/environment.ts';
import { redisServerInfo } from '../environment/process/probes.ts';
import { type Ending, type FaultPlan, ORDERLY_END_MS } from './fault.ts';
import { type FaultTarget, listenerOf, targetOf, witnessAnswers, witnessGone, witnessSilent } from './witness.ts';

/** Whether a server has its data again after its restart. */
export type DataFate = 'keep' | 'lose';

/** SIGKILL; healed by a start, after losing the data if so asked. */
export function killPlan(target: FaultTarget, data: DataFate): FaultPlan {
  return downPlan(target, `${target.label}-killed`, data, () => target.control.kill());
}

/** An orderly end (SIGTERM); healed by a start. `onEnded` is told how it went, before the witness is asked. */
export function stopPlan(target: FaultTarget, onEnded: (ending: Ending) => void): FaultPlan {
  return downPlan(target, `${target.label}-stopped`, 'keep', async () => {
    const startedAt = monotonicMs();
    try {
      onEnded({ ...(await target.control.stop(ORDERLY_END_MS)), inTime: true });
    } catch (error) {
      // It was killed then: it is down all the same, and how it ended is the caller's to judge.
      if (!(error instanceof DeadlineError)) throw error;
      onEnded({ exitCode: null, ms: monotonicMs() - startedAt, inTime: false });
    }
  });
}

function downPlan(target: FaultTarget, kind: string, data: DataFate, end: () => Promise<void>): FaultPlan {
  const { label, control } = target;
  const address = target.address();
  return {
    kind,
    target: label,
    check: () => requireRunning(target),
    apply: end,
    witness: () => witnessGone(target, address),
    async undo() {
      if (await control.running()) return;
      if (data === 'lose') await control.wipe();
      await startAgain(target);
    },
    witnessHealed: () => witnessAnswers(target),
  };
}

/** SIGSTOP: connections are still established (by the kernel), but nothing is answered. Healed by SIGCONT. */
export function pausePlan(target: FaultTarget): FaultPlan {
  const { label, control } = target;
  return {
    kind: `${label}-paused`,
    target: label,
    check: () => requireRunning(target),
    apply: () => control.pause(),
    witness: () => witnessSilent(listenerOf(target)),
    async undo() {
      if (await control.running()) await control.resume();
    },
    witnessHealed: () => witnessAnswers(target),
  };
}

/** Down and up again at once. The witness is what was seen in between; for Redis also a new run id. */
export function restartPlan(target: FaultTarget, data: DataFate): FaultPlan {
  const { label, control } = target;
  const runId = async (): Promise<string | undefined> =>
    target.protocol === 'redis' ? (await redisServerInfo(target.address())).run_id : undefined;
  let before: string | undefined;
  const restart = async (): Promise<void> => {
    before = await runId();
    await control.stop();
  };
  return {
    ...downPlan(target, `${label}-restarted`, data, restart),
    momentary: true,
    async witnessHealed() {
      const answer = await witnessAnswers(target);
      const after = await runId();
      if (before === undefined || after === undefined) return answer;
      if (after === before) throw new SyncproofError(`${label} has the run id it had before`);
      return `${answer}, run_id ${before.slice(0, 8)} → ${after.slice(0, 8)}`;
    },
  };
}

/** @throws NotRestartedError when a service does not restart; of servers, which are ours, the error as it is */
async function startAgain({ label, control, protocol }: FaultTarget): Promise<void> {
  try {
    await control.start();
  } catch (cause) {
    if (protocol !== 'http' || !(cause instanceof UnreachableError)) throw cause;
    throw new NotRestartedError(`${label} does not restart after it was stopped`, { cause });
  }
}

async function requireRunning({ label, control }: FaultTarget): Promise<void> {
  if (!(await control.running())) throw new SyncproofError(`${label} is not running`);
}

/** SQLSTATE disk_full. */
const DISK_FULL = '53100';
const RELIEVED_MS = 25_000;

/**
 * Nothing more can be written to PostgreSQL's disk. It does what needs no room, or ends when it has to write its
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

/** Whose connections to PostgreSQL are meant. */
export type DatabaseUser = 'admin' | 'query';

/** Its clients, without the harness and without PostgreSQL's own workers. */
const OF_SERVICE = `datname = current_database() AND backend_type = 'client backend' AND application_name <> $1`;

/** Every connection of a service to PostgreSQL is ended by the server (57P01), as an administrator or a failover does. */
export function terminateBackendsPlan(environment: Environment, user: DatabaseUser): FaultPlan {
  let ended: number[] = [];
  return {
    kind: `postgres-${user}-backends-terminated`,
    target: 'postgres',
    momentary: true,
    check: () => requireBackends(environment, user),
    async apply() {
      ended = await backendsOf(environment, user);
      await withDatabase(environment, user, (database) =>
        database.query('SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS backend (pid)', [ended]),
      );
    },
    async witness() {
      const left = (await backendsOf(environment, user)).filter((pid) => ended.includes(pid));
      if (left.length > 0) throw new SyncproofError(`${left.length} of ${ended.length} backends are still there`);
      return `${ended.length} backends of ${user} are gone`;
    },
    undo: async () => {},
    witnessHealed: () => witnessAnswers(targetOf(environment, 'postgres')),
  };
}

/** Every connection of a service to PostgreSQL hangs (SIGSTOP of its backend); new ones are established. */
export function stopBackendsPlan(environment: Environment, user: DatabaseUser): FaultPlan {
  const { postgres } = environment.parts;
  let stopped: number[] = [];
  const signalAll = async (signal: 'SIGSTOP' | 'SIGCONT'): Promise<void> => {
    await Promise.all(stopped.map((pid) => postgres.signalChild(pid, signal)));
  };
  return {
    kind: `postgres-${user}-backends-stopped`,
    target: 'postgres',
    check: () => requireBackends(environment, user),
    async apply() {
      stopped = await backendsOf(environment, user);
      await signalAll('SIGSTOP');
    },
    // `signalChild` resolves when the kernel shows the state.
    witness: async () => `${stopped.length} backends of ${user} are stopped`,
    undo: () => signalAll('SIGCONT'),
    witnessHealed: () => witnessAnswers(targetOf(environment, 'postgres')),
  };
}

async function withDatabase<T>(
  environment: Environment,
  user: DatabaseUser,
  act: (database: Pool) => Promise<T>,
): Promise<T> {
  const database = connectPostgres(environment.databaseAccess(user));
  try {
    return await act(database);
  } finally {
    await database.end();
  }
}

function backendsOf(environment: Environment, user: DatabaseUser): Promise<number[]> {
  return withDatabase(environment, user, async (database) => {
    const { rows } = await database.query<{ pid: number }>(`SELECT pid FROM pg_stat_activity WHERE ${OF_SERVICE}`, [
      OBSERVER,
    ]);
    return rows.map(({ pid }) => pid);
  });
}

async function requireBackends(environment: Environment, user: DatabaseUser): Promise<void> {
  const backends = await backendsOf(environment, user);
  if (backends.length === 0) throw new SyncproofError(`${user} has no connection to PostgreSQL`);
}
