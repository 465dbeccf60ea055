import { connectPostgres, type Environment, pollUntil } from '../../harness/index.ts';
import { READ_MODEL_TABLE } from '../../services/contract/names.ts';
import type { CaseContext } from '../runner/case.ts';
import { eventually } from './eventually.ts';

/**
 * Locks the read model's table: writers wait, and with `whom: 'everybody'` readers, too; otherwise searches go on.
 * Disposing unlocks.
 */
export function lockReadModel(env: Environment, whom: 'writers' | 'everybody' = 'writers'): Promise<AsyncDisposable> {
  const mode = whom === 'everybody' ? 'ACCESS EXCLUSIVE' : 'EXCLUSIVE';
  return holdLock(env, `LOCK TABLE ${READ_MODEL_TABLE} IN ${mode} MODE`);
}

/** Resolves when a session waits for the read model's table, which is locked. @throws DeadlineError */
export async function awaitSomebodyWaiting({ env, signal }: CaseContext, who: string): Promise<void> {
  const database = connectPostgres(env.databaseAccess('query'));
  try {
    await pollUntil(
      async () => {
        const { rowCount } = await database.query(
          'SELECT FROM pg_locks WHERE NOT granted AND relation = to_regclass($1)',
          [READ_MODEL_TABLE],
        );
        return rowCount === 0 ? undefined : true;
      },
      { what: `${who} to wait for the table`, timeoutMs: 10_000, intervalMs: 5, intervalMsMax: 20, signal },
    );
  } finally {
    await database.end();
  }
}

/** Locks the read model's row of one file. */
export function lockRow(env: Environment, fileId: string): Promise<AsyncDisposable> {
  return holdLock(env, `SELECT FROM ${READ_MODEL_TABLE} WHERE id = $1 FOR UPDATE`, [fileId]);
}

async function holdLock(env: Environment, statement: string, values: unknown[] = []): Promise<AsyncDisposable> {
  const database = connectPostgres(env.databaseAccess('query'));
  await using resources = new AsyncDisposableStack();
  resources.defer(() => database.end());
  const session = await database.connect();
  resources.defer(() => session.release());
  await session.query('BEGIN');
  resources.defer(async () => {
    await session.query('ROLLBACK');
  });
  await session.query(statement, values);
  return resources.move();
}

/**
 * Takes rows out of the read model behind its back, once they are there: a consumer that receives their events again
 * has to write them again.
 * @throws Violation when one is not there in time
 */
export async function takeAwayRows({ env, signal }: CaseContext, fileIds: readonly string[]): Promise<void> {
  const database = connectPostgres(env.databaseAccess('query'));
  const left = new Set(fileIds);
  try {
    const probe = async (): Promise<true | undefined> => {
      const { rows } = await database.query<{ id: string }>(
        `DELETE FROM ${READ_MODEL_TABLE} WHERE id = ANY($1::uuid[]) RETURNING id`,
        [[...left]],
      );
      for (const { id } of rows) left.delete(id);
      return left.size === 0 ? true : undefined;
    };
    const what = `Rows of ${fileIds.length} files in ${READ_MODEL_TABLE}`;
    await eventually(what, probe, { timeoutMs: env.limits.syncMs, signal });
  } finally {
    await database.end();
  }
}
