import type { Mutant } from '../mutant.ts';

/** What can be wrong with ending and starting services again. */
export const RESTART_MUTANTS: readonly Mutant[] = [
  {
    id: 'ends-at-once',
    defect: 'SIGTERM ends a service with what it has in hand',
    services: ['admin', 'ingester'],
    caughtBy: ['RES-09/working'],
    edits: [
      {
        file: 'services/common/lifecycle.ts',
        find: 'await releaseAll(log, app, resources);',
        replace: 'void releaseAll;',
      },
    ],
  },
  {
    id: 'ends-with-an-error-code',
    defect: 'a service that was asked to end ends with exit code 143',
    services: ['query'],
    caughtBy: ['RES-09/working'],
    edits: [{ file: 'services/common/lifecycle.ts', find: 'process.exit(0);', replace: 'process.exit(143);' }],
  },
  {
    id: 'publishes-before-it-ends',
    defect: 'admin ends only when everything was published',
    services: ['admin'],
    caughtBy: ['RES-09/redis-hangs'],
    edits: [
      {
        file: 'services/common/lifecycle.ts',
        find: 'const RELEASE_MS = 2500;',
        replace: 'const RELEASE_MS = 600_000;',
      },
      {
        file: 'services/admin/main.ts',
        find: 'resources.defer(async () => relay?.stop());',
        replace: `resources.defer(async () => {
    while ((await outboxBacklog(pool)).pending > 0) await new Promise((resolve) => setTimeout(resolve, 100));
    await relay?.stop();
  });`,
      },
    ],
  },
  {
    id: 'asks-the-database-before-it-ends',
    defect: 'query asks its database once more before it ends, however long that takes',
    services: ['query'],
    caughtBy: ['RES-09/postgres-hangs'],
    edits: [
      {
        file: 'services/common/lifecycle.ts',
        find: 'const RELEASE_MS = 2500;',
        replace: 'const RELEASE_MS = 600_000;',
      },
      {
        file: 'services/query/main.ts',
        find: '  resources.defer(() => closePool(pool));',
        replace: `  resources.defer(async () => {
    const { default: pg } = await import('pg');
    const last = new pg.Client({ connectionString: config.DATABASE_URL });
    await last.connect();
    await last.query('SELECT 1');
    await last.end();
  });`,
      },
    ],
  },
  {
    id: 'new-name-at-every-start',
    defect: 'a consumer takes a new name at every start, and nobody removes the old ones',
    services: ['query'],
    caughtBy: ['RES-10'],
    edits: [
      { file: 'services/query/consuming.ts', find: 'address.port === 0 ?', replace: 'address.port >= 0 ?' },
      {
        file: 'services/query/consumer.ts',
        find: 'await removeDeadConsumers(stream,',
        replace: 'void removeDeadConsumers; void (stream,',
      },
    ],
  },
];
