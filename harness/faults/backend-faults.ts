import type { Pool } from 'pg';
import { connectPostgres, OBSERVER } from '../clients/postgres.ts';
import { SyncproofError } from '../core/errors.ts';
import type { Environment } from '../environment/environment.ts';
import type { FaultPlan } from './lifecycle.ts';
import { targetOf } from './target.ts';
import { witnessAnswers } from './witness.ts';

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

/** Every connection of a service to PostgreSQL stands still (SIGSTOP of its backend); new ones come about. */
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
