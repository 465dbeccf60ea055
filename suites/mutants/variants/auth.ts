import type { Mutant } from '../mutant.ts';

/** What can be wrong with tokens and roles. */
export const AUTH_MUTANTS: readonly Mutant[] = [
  {
    id: 'unknown-client-told',
    defect: 'the 401 says that the client is unknown',
    services: ['admin'],
    caughtBy: ['AUTH-01'],
    edits: [
      {
        file: 'services/admin/accounts.ts',
        find: '  const [account] = rows;',
        replace: `  const [account] = rows;
  if (account === undefined) throw Object.assign(new Error('There is no such client.'), { statusCode: 401 });`,
      },
    ],
  },
  {
    id: 'unknown-client-not-hashed',
    defect: 'an unknown client is refused without hashing, so the time tells that it is unknown',
    services: ['admin'],
    caughtBy: ['AUTH-01'],
    edits: [
      {
        file: 'services/admin/accounts.ts',
        find: '  const [account] = rows;',
        replace: `  const [account] = rows;
  if (account === undefined) return undefined;`,
      },
    ],
  },
];
