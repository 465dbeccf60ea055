import type { Mutant } from '../mutant.ts';

/** What can be wrong with how fast changes arrive. */
export const LATENCY_MUTANTS: readonly Mutant[] = [
  {
    id: 'poll-only-every-2s',
    defect: 'the relay is not woken and polls every 2 s',
    services: ['admin'],
    caughtBy: ['LAT-01'],
    edits: [
      {
        file: 'services/admin/main.ts',
        find: 'committed: () => relay?.wake(),',
        replace: 'committed: () => {},',
      },
      { file: 'services/admin/main.ts', find: 'pollMs: config.OUTBOX_POLL_MS,', replace: 'pollMs: 2000,' },
    ],
  },
];
