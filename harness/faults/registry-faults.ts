import { randomInt } from 'node:crypto';
import type { Pool, PoolClient } from 'pg';
import { connectPostgres } from '../clients/servers.ts';
import { SyncproofError } from '../core/errors.ts';
import { pollUntil } from '../core/time.ts';
import type { Environment } from '../environment/common/environment.ts';
import type { FaultPlan } from './fault.ts';

export interface CommitChoice {
  /** Changes of files whose name begins with this. */
  filenamePrefix: string;
  /** Sends the change; called once the gate is shut, since the fault takes effect with the first change that meets it. */
  cause: () => Promise<unknown>;
}

/**
 * Gates at the registry's COMMIT: a deferred constraint trigger on its table of files, which PostgreSQL fires when
 * everything else of the transaction is done (PostgreSQL documentation, CREATE TRIGGER). So all that a registry does
 * before it commits has been done, and nothing that it does after.
 */
function atCommit({ registry: { table } }: Environment): Trigger['create'] {
  return (name, when) => `CREATE CONSTRAINT TRIGGER ${name} AFTER INSERT OR UPDATE ON ${table}
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW ${when} EXECUTE FUNCTION ${name}()`;
}

/** Transactions that change these files hang at their COMMIT until the fault is healed. */
export function holdCommitsPlan(environment: Environment, choice: CommitChoice): FaultPlan {
  const key = randomInt(1, 2 ** 31 - 1);
  let holder: PoolClient | undefined;
  return triggerPlan(environment, choice, {
    kind: 'commits-held',
    create: atCommit(environment),
    body: `PERFORM pg_advisory_xact_lock_shared(${key}); RETURN NULL;`,
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
    // With its session the lock is gone, too.
    async close() {
      holder?.release(true);
      holder = undefined;
    },
  });
}

/** Transactions that change these files are rolled back at their COMMIT. */
export function failCommitsPlan(environment: Environment, choice: CommitChoice): FaultPlan {
  const sequence = `syncproof_refused_${randomInt(1, 2 ** 31 - 1)}`;
  return triggerPlan(environment, choice, {
    kind: 'commits-failed',
    create: atCommit(environment),
    // What a sequence counts stays when the transaction is rolled back: the proof that there was one.
    body: `PERFORM nextval('${sequence}'); RAISE EXCEPTION 'syncproof refuses this commit';`,
    async open(database) {
      // The trigger's function runs with the rights of the user who commits.
      await database.query(`CREATE SEQUENCE ${sequence}; GRANT USAGE ON SEQUENCE ${sequence} TO PUBLIC`);
    },
    async witness(database) {
      const { rows } = await database.query<{ is_called: boolean }>(`SELECT is_called FROM ${sequence}`);
      if (rows[0]?.is_called !== true) throw new SyncproofError('no transaction was refused yet');
      return 'a transaction was rolled back at its COMMIT';
    },
    async close(database) {
      await database.query(`DROP SEQUENCE IF EXISTS ${sequence}`);
    },
  });
}

/** A busy database may refuse a connection or two. */
const UNDONE_MS = 15_000;

/** How far ahead the registry's clock is. */
const AHEAD_S = 3600;

/**
 * The registry's clock is an hour ahead for these files: what sets `updated_at` is set to that. Healed, it has stepped
 * back.
 */
export function clockAheadPlan(environment: Environment, choice: CommitChoice): FaultPlan {
  const { table, nameColumn } = environment.registry;
  return triggerPlan(environment, choice, {
    kind: 'clock-ahead',
    create: (name, when) => `CREATE TRIGGER ${name} BEFORE INSERT OR UPDATE ON ${table} FOR EACH ROW ${when}
      EXECUTE FUNCTION ${name}()`,
    body: `NEW.updated_at := NEW.updated_at + interval '${AHEAD_S} s'; RETURN NEW;`,
    open: async () => {},
    async witness(database) {
      const { rows } = await database.query<{ ahead: string }>(
        `SELECT round(extract(epoch FROM max(updated_at) - clock_timestamp())) AS ahead FROM ${table}
         WHERE starts_with(${nameColumn}, $1)`,
        [choice.filenamePrefix],
      );
      const ahead = Number(rows[0]?.ahead ?? 0);
      if (ahead < AHEAD_S / 2) throw new SyncproofError('nothing was written by the clock that is ahead yet');
      return `a file was written by a clock that is ${ahead} s ahead`;
    },
    close: async () => {},
  });
}

/** What a trigger on the registry's table of files does, for files whose name begins with something. */
interface Trigger {
  kind: string;
  create: (name: string, when: string) => string;
  /** Of its function. */
  body: string;
  open: (database: Pool) => Promise<void>;
  witness: (database: Pool) => Promise<string>;
  close: (database: Pool) => Promise<void>;
}

function triggerPlan(environment: Environment, { filenamePrefix, cause }: CommitChoice, trigger: Trigger): FaultPlan {
  const { nameColumn } = environment.registry;
  const name = `syncproof_gate_${randomInt(1, 2 ** 31 - 1)}`;
  const database = connectPostgres(environment.databaseAccess('admin'));
  return {
    kind: `registry-${trigger.kind}`,
    target: 'admin',
    check: async () => {},
    async apply() {
      await trigger.open(database);
      const literal = filenamePrefix.replaceAll("'", "''");
      await database.query(`CREATE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql AS $gate$
        BEGIN ${trigger.body} END $gate$`);
      await database.query(trigger.create(name, `WHEN (starts_with(NEW.${nameColumn}, '${literal}'))`));
      // The outcome of the change is its sender's concern.
      cause().catch(() => {});
    },
    witness: () => trigger.witness(database),
    async undo() {
      await pollUntil(
        async () => {
          await trigger.close(database);
          await database.query(`DROP FUNCTION IF EXISTS ${name}() CASCADE`);
          return true;
        },
        { what: `trigger ${name} to be dropped`, timeoutMs: UNDONE_MS },
      );
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
