import type { Mutant } from '../mutants/mutant.ts';

/** What only a soak can find: each is met by an aim of its own. */
export const SOAK_MUTANTS: readonly Mutant[] = [
  {
    id: 'clock-as-version',
    defect: 'the registry trusts its clock, and the guard of the upsert compares it',
    services: ['admin', 'query'],
    caughtBy: ['SOAK-01'],
    aims: ['clock-stepped-back'],
    edits: [
      {
        file: 'services/admin/file-store.ts',
        find: "updated_at + interval '1 microsecond'",
        replace: "'-infinity'",
      },
      {
        file: 'services/query/apply.ts',
        find: 'ELSE cached.version IS NULL OR excluded.version > cached.version',
        replace: 'ELSE excluded.updated_at >= cached.updated_at',
      },
    ],
  },
];
