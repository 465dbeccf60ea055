import type { Mutant } from '../mutants/mutant.ts';

/** What can be wrong with outages of PostgreSQL. */
export const POSTGRES_OUTAGE_MUTANTS: readonly Mutant[] = [
  {
    id: 'postgres-pool-errors-unheard',
    defect: 'the error of an idle connection to PostgreSQL ends the process',
    services: ['admin', 'query'],
    caughtBy: ['RES-08/killed', 'RES-08/admin-terminated', 'RES-08/query-terminated'],
    edits: [
      { file: 'services/common/postgres.ts', find: "pool.on('error', (error) => trouble.begin(error));", replace: '' },
    ],
  },
  {
    id: 'lent-connection-errors-unheard',
    defect: 'a connection to PostgreSQL that is lost in the middle of a transaction ends the process',
    services: ['query'],
    caughtBy: ['RES-08/query-refused'],
    edits: [{ file: 'services/common/postgres.ts', find: "client.on('error', unheard);", replace: '' }],
  },
  {
    id: 'no-limit-of-statements',
    defect: 'a statement that is never answered is waited for without a limit',
    services: ['admin', 'query'],
    caughtBy: ['RES-08/admin-stopped', 'RES-08/query-stopped', 'RES-08/paused'],
    edits: [
      { file: 'services/common/postgres.ts', find: 'query_timeout: options.queryTimeoutMs ?? 5000,', replace: '' },
    ],
  },
  {
    id: 'outage-counts-as-poison',
    defect: 'every error counts towards the dead letter, an outage of the database too',
    unrepaired: true,
    services: ['query'],
    caughtBy: ['RES-08/query-refused'],
    edits: [
      {
        file: 'services/query/events.ts',
        find: "return CONTENDED.has(code) ? 'contended' : 'outage';",
        replace: "return CONTENDED.has(code) ? 'contended' : 'data';",
      },
      {
        file: 'services/query/events.ts',
        find: "if (typeof code !== 'string') return 'outage';",
        replace: "if (typeof code !== 'string') return 'data';",
      },
    ],
  },
  {
    id: 'outage-gives-up',
    defect: 'what could not be applied three times, during a database outage, is acknowledged',
    unrepaired: true,
    services: ['query'],
    caughtBy: ['RES-08/query-refused'],
    edits: [
      {
        file: 'services/query/batch.ts',
        find: 'outages++;',
        replace: `outages++;
          if (outages >= 3) {
            for (const { entry } of items) outcome.done.push(entry.id);
            return;
          }`,
      },
    ],
  },
  {
    id: 'full-disk-counts-as-poison',
    defect: 'an event that the read model has no room for counts as one that can never be applied',
    services: ['query'],
    caughtBy: ['RES-08/disk-full'],
    edits: [
      {
        file: 'services/query/events.ts',
        find: 'const DATA = /^(22|23|54)/;',
        replace: 'const DATA = /^(22|23|53|54)/;',
      },
    ],
  },
  {
    id: 'search-empty-without-database',
    defect: 'a search whose database is unavailable answers 200 and finds nothing',
    services: ['query'],
    caughtBy: ['RES-08/killed', 'RES-08/query-stopped'],
    edits: [
      {
        file: 'services/query/app.ts',
        find: '(request) => searchFiles(pool, request.body),',
        replace: `(request) => {
      const { limit, offset } = request.body;
      return searchFiles(pool, request.body).catch(() => ({ results: [], total_count: 0, limit, offset, has_more: false }));
    },`,
      },
    ],
  },
  {
    id: 'search-asks-the-registry',
    defect: 'a search asks admin whether its database answers, and fails when it does not',
    services: ['query'],
    caughtBy: ['RES-08/admin-stopped'],
    edits: [
      {
        file: 'services/query/app.ts',
        find: '(request) => searchFiles(pool, request.body),',
        replace: `async (request) => {
      const { statusCode, body } = await agent.request({ origin: config.ADMIN_URL, path: '/health/ready', method: 'GET' });
      await body.dump();
      if (statusCode !== 200) throw new HttpProblem(503, 'The registry is not ready.');
      return searchFiles(pool, request.body);
    },`,
      },
    ],
  },
  {
    id: 'lost-connections-kept',
    defect: 'when a connection to PostgreSQL is lost, the idle ones beside it stay in the pool',
    services: ['admin', 'query'],
    caughtBy: ['RES-08/admin-forgotten', 'RES-08/query-forgotten'],
    edits: [
      {
        file: 'services/common/postgres.ts',
        find: '  discardWithTheFirst(pool);\n',
        replace: '  if (pool.idleCount < 0) discardWithTheFirst(pool);\n',
      },
    ],
  },
];
