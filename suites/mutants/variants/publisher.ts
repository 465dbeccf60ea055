import type { Mutant } from '../mutant.ts';

/** What can be wrong with publishing, whatever happens in between. */
export const PUBLISHER_MUTANTS: readonly Mutant[] = [
  {
    id: 'no-stream-limit',
    defect: 'the stream is never trimmed',
    services: ['admin'],
    caughtBy: ['PUB-08'],
    edits: [
      {
        file: 'services/admin/outbox-relay.ts',
        find: "transaction.xadd(streamName, 'MAXLEN', '~', streamEntriesMax, '*', ...eventFields(row));",
        replace: "transaction.xadd(streamName, '*', ...eventFields(row)); void streamEntriesMax;",
      },
    ],
  },
];
