import type { Mutant } from '../mutants/mutant.ts';

/** What can be wrong with health, metrics and versions. */
export const HEALTH_MUTANTS: readonly Mutant[] = [
  {
    id: 'live-needs-servers',
    defect: 'liveness fails when a server is unavailable',
    services: ['query'],
    caughtBy: ['HLTH-01/postgres-stopped'],
    edits: [
      {
        file: 'services/common/http.ts',
        find: "() => ({ status: 'alive' }),",
        replace: `async () => {
      if (!(await options.readiness()).ready) throw new Error('not ready');
      return { status: 'alive' };
    },`,
      },
    ],
  },
  {
    id: 'live-is-late',
    defect: 'liveness is answered late during a Redis outage',
    services: ['query'],
    caughtBy: ['HLTH-01/redis-paused'],
    edits: [
      {
        file: 'services/common/http.ts',
        find: "() => ({ status: 'alive' }),",
        replace: `async () => {
      const { body } = await options.readiness();
      if ((body as { cache?: string }).cache === 'degraded') await new Promise((late) => setTimeout(late, 1500));
      return { status: 'alive' };
    },`,
      },
    ],
  },
  {
    id: 'ready-waits-for-redis',
    defect: 'readiness waits for an answer of a Redis that gives none',
    services: ['query'],
    caughtBy: ['HLTH-01/redis-paused'],
    edits: [
      { file: 'services/query/consuming.ts', find: 'const ASK_MS = 500;', replace: 'const ASK_MS = 4000;' },
      {
        file: 'services/query/consuming.ts',
        find: 'const SIDE_TIMEOUT_MS = 1000;',
        replace: 'const SIDE_TIMEOUT_MS = 6000;',
      },
    ],
  },
  {
    id: 'ready-only-once',
    defect: 'the ingester reports ready once, and 503 from then on',
    services: ['ingester'],
    caughtBy: ['HLTH-01/healthy'],
    edits: [
      {
        file: 'services/ingester/app.ts',
        find: '  return {\n    ready: storage && admin,',
        replace: `  const told = Reflect.get(globalThis, 'told') === true;
  Reflect.set(globalThis, 'told', told || (storage && admin));
  return {\n    ready: storage && admin && !told,`,
      },
    ],
  },
  {
    id: 'not-ready-without-redis',
    defect: 'admin is not ready during a Redis outage, so uploads are refused',
    services: ['admin'],
    caughtBy: ['HLTH-01/redis-killed', 'HLTH-01/redis-paused'],
    edits: [
      {
        file: 'services/admin/app.ts',
        find: 'const ready = database && started();',
        replace: 'const ready = database && cache && started();',
      },
    ],
  },
  {
    id: 'published-not-counted',
    defect: 'the counter of published events never moves',
    services: ['admin'],
    caughtBy: ['HLTH-02/flow'],
    edits: [
      {
        file: 'services/admin/main.ts',
        find: 'onPublished: (count) => events.published.inc(count),',
        replace: 'onPublished: () => {},',
      },
    ],
  },
  {
    id: 'processed-not-counted',
    defect: 'the counter of processed events never moves',
    services: ['query'],
    caughtBy: ['HLTH-02/flow'],
    edits: [{ file: 'services/query/batch.ts', find: 'metrics.processed.inc(items.length);', replace: '' }],
  },
  {
    id: 'dead-letters-not-counted',
    defect: 'the counter of dead-lettered events never moves',
    services: ['query'],
    caughtBy: ['HLTH-02/dead-letters'],
    edits: [{ file: 'services/query/consumer.ts', find: 'metrics.deadLettered.inc();', replace: '' }],
  },
  {
    id: 'failures-not-counted',
    defect: 'what cannot be published is not counted',
    services: ['admin'],
    caughtBy: ['HLTH-02/failures'],
    edits: [
      { file: 'services/admin/main.ts', find: 'onFailed: () => events.failed.inc(),', replace: 'onFailed: () => {},' },
    ],
  },
  {
    id: 'pending-says-nothing',
    defect: 'the gauge of pending events says 0, whatever is pending',
    services: ['query'],
    caughtBy: ['HLTH-02/backlog'],
    edits: [
      {
        file: 'services/query/metrics.ts',
        find: 'pending.set((await backlog())?.pending ?? Number.NaN);',
        replace: 'pending.set(0);',
      },
    ],
  },
  {
    id: 'lag-stays',
    defect: 'the gauge of undelivered events reports the highest value that it ever had',
    services: ['query'],
    caughtBy: ['HLTH-02/backlog'],
    edits: [
      {
        file: 'services/query/metrics.ts',
        find: 'lag.set((await backlog())?.lag ?? Number.NaN);',
        replace: `most = Math.max(most, (await backlog())?.lag ?? 0);
      lag.set(most);`,
      },
      {
        file: 'services/query/metrics.ts',
        find: '  const lag = new Gauge({',
        replace: '  let most = 0;\n  const lag = new Gauge({',
      },
    ],
  },
  {
    id: 'old-build',
    defect: 'query is an old build',
    services: ['query'],
    caughtBy: ['HLTH-03/running', 'HLTH-03/restarted'],
    edits: [
      {
        file: 'services/common/config.ts',
        find: 'version: config.SERVICE_VERSION ?? packageVersion(),',
        replace: "version: '0.0.9',",
      },
    ],
  },
];
