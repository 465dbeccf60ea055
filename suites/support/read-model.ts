import { READ_MODEL_TABLE } from '../../harness/contract/names.ts';
import { connectPostgres, type Environment } from '../../harness/index.ts';

/** Locks the read model's table: writers wait, readers do not, so searches go on. Disposing unlocks. */
export function lockReadModel(env: Environment): Promise<AsyncDisposable> {
  return holdLock(env, `LOCK TABLE ${READ_MODEL_TABLE} IN EXCLUSIVE MODE`);
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
