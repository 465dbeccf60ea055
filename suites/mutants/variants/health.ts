import type { Mutant } from '../mutant.ts';

/** What can be wrong with health, metrics and versions. */
export const HEALTH_MUTANTS: readonly Mutant[] = [
  {
    id: 'live-needs-servers',
    defect: 'liveness fails when a server is away',
    services: ['query'],
    caughtBy: ['HLTH-01/postgres-stopped'],
    edits: [
      {
        file: 'services/common/http.ts',
        find: `() => ({
      status: 'alive',
    }),`,
        replace: `async () => {
      if (!(await options.readiness()).ready) throw new Error('not ready');
      return { status: 'alive' };
    },`,
      },
    ],
  },
  {
    id: 'ready-only-once',
    defect: 'the ingester says that it is ready once, and 503 from then on',
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
    defect: 'admin is not ready while Redis is away, and so nobody uploads',
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
];
