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
];
