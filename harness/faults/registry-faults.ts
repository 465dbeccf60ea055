import { randomInt } from 'node:crypto';
import type { Pool, PoolClient } from 'pg';
import { connectPostgres } from '../clients/postgres.ts';
import { SyncproofError } from '../core/errors.ts';
import type { Environment } from '../environment/environment.ts';
import type { FaultPlan } from './lifecycle.ts';

export interface CommitChoice {
  /** Changes of files whose name begins with this. */
  filenamePrefix: string;
  /** Sends the change; called once the gate is shut, since the fault takes effect with the first change that meets it. */
  cause: () => Promise<unknown>;
}

/**
 * Gates at the registry's COMMIT: a deferred constraint trigger on its table of files, which PostgreSQL fires when
 * everything else of the transaction is done (PostgreSQL documentation, CREATE TRIGGER). So whatever a registry does
 * before it commits has been done, and nothing that it does after.
 */
interface Gate {
  /** What the trigger does. */
  body: string;
  open(database: Pool): Promise<void>;
  witness(database: Pool): Promise<string>;
}

/** Transactions that change these files hang at their COMMIT until the fault is healed. */
export function holdCommitsPlan(environment: Environment, choice: CommitChoice): FaultPlan {
  const key = randomInt(1, 2 ** 31 - 1);
  let holder: PoolClient | undefined;
  return gatePlan(
    environment,
    choice,
    'commits-held',
    {
      body: `PERFORM pg_advisory_xact_lock_shared(${key});`,
      async open(database) {
        holder = await database.connect();
        await holder.query('SELECT pg_advisory_lock($1)', [key]);
      },
      async witness(database) {
        const { rows } = await database.query<{ count: string }>(
          `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = $1`,
          [key],
        );
        const waiting = Number(rows[0]?.count ?? 0);
        if (waiting === 0) throw new SyncproofError('no transaction waits at its COMMIT yet');
        return `${waiting} transaction waits at its COMMIT`;
      },
    },
    async () => {
      await holder?.query('SELECT pg_advisory_unlock($1)', [key]);
      holder?.release();
      holder = undefined;
    },
  );
}

/** Transactions that change these files are rolled back at their COMMIT. */
export function failCommitsPlan(environment: Environment, choice: CommitChoice): FaultPlan {
  const sequence = `syncproof_refused_${randomInt(1, 2 ** 31 - 1)}`;
  return gatePlan(
    environment,
    choice,
    'commits-failed',
    {
      // What a sequence counts stays when the transaction is rolled back: the proof that there was one.
      body: `PERFORM nextval('${sequence}'); RAISE EXCEPTION 'syncproof refuses this commit';`,
      async open(database) {
        await database.query(`CREATE SEQUENCE ${sequence}`);
      },
      async witness(database) {
        const { rows } = await database.query<{ is_called: boolean }>(`SELECT is_called FROM ${sequence}`);
        if (rows[0]?.is_called !== true) throw new SyncproofError('no transaction was refused yet');
        return 'a transaction was rolled back at its COMMIT';
      },
    },
    async (database) => {
      await database.query(`DROP SEQUENCE IF EXISTS ${sequence}`);
    },
  );
}

function gatePlan(
  environment: Environment,
  { filenamePrefix, cause }: CommitChoice,
  kind: string,
  gate: Gate,
  close: (database: Pool) => Promise<void>,
): FaultPlan {
  const { table, nameColumn } = environment.registry;
  const name = `syncproof_gate_${randomInt(1, 2 ** 31 - 1)}`;
  const database = connectPostgres(environment.databaseAccess('admin'));
  return {
    kind: `registry-${kind}`,
    target: 'admin',
    check: async () => {},
    async apply() {
      await gate.open(database);
      const literal = filenamePrefix.replaceAll("'", "''");
      await database.query(`CREATE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql AS $gate$
        BEGIN ${gate.body} RETURN NULL; END $gate$`);
      await database.query(`CREATE CONSTRAINT TRIGGER ${name} AFTER INSERT OR UPDATE ON ${table}
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (starts_with(NEW.${nameColumn}, '${literal}'))
        EXECUTE FUNCTION ${name}()`);
      // What becomes of the change is its sender's matter.
      cause().catch(() => {});
    },
    witness: () => gate.witness(database),
    async undo() {
      await close(database);
      await database.query(`DROP FUNCTION IF EXISTS ${name}() CASCADE`);
    },
    async witnessHealed() {
      const { rows } = await database.query<{ gone: boolean }>(
        'SELECT NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = $1) AS gone',
        [name],
      );
      if (rows[0]?.gone !== true) throw new SyncproofError('the gate is still there');
      await database.end();
      return 'the gate is gone';
    },
  };
}
