import type { Mutant } from '../mutant.ts';

/** What can be wrong with uploads, what is registered of them and the events they leave. */
export const UPLOAD_MUTANTS: readonly Mutant[] = [
  {
    id: 'event-published-twice',
    defect: 'every event is put on the stream twice',
    services: ['admin'],
    caughtBy: ['UP-02'],
    edits: [
      {
        file: 'services/admin/outbox-relay.ts',
        find: 'for (const row of rows) transaction.xadd(',
        replace: 'for (const row of rows.flatMap((row) => [row, row])) transaction.xadd(',
      },
    ],
  },
  {
    id: 'wrong-checksum',
    defect: 'the checksum that is registered is not that of the bytes',
    services: ['ingester'],
    caughtBy: ['UP-01'],
    edits: [
      {
        file: 'services/ingester/upload.ts',
        find: 'checksum_sha256: received.checksum_sha256,',
        replace: "checksum_sha256: createHash('sha256').update(received.checksum_sha256).digest('hex'),",
      },
    ],
  },
  {
    id: 'bytes-thrown-away',
    defect: 'storage throws the bytes away after it received them all',
    services: ['storage'],
    caughtBy: ['UP-01'],
    edits: [
      {
        file: 'services/storage/object-store.ts',
        find: 'await link(draft, target);',
        replace: 'await rm(draft);',
      },
    ],
  },
  {
    id: 'event-timestamp-1970',
    defect: 'the timestamp of every event is the start of 1970',
    services: ['admin'],
    caughtBy: ['UP-02'],
    edits: [
      {
        file: 'services/admin/event.ts',
        find: `'timestamp',
    row.occurred_at,`,
        replace: `'timestamp',
    '1970-01-01T00:00:00.000000Z',`,
      },
    ],
  },
  {
    id: 'deleted-at-1970',
    defect: 'deleted_at of every deletion event is the start of 1970',
    services: ['admin'],
    caughtBy: ['UP-02'],
    edits: [
      {
        file: 'services/admin/event.ts',
        find: "fields.push('deleted_at', row.occurred_at)",
        replace: "fields.push('deleted_at', '1970-01-01T00:00:00.000000Z')",
      },
    ],
  },
];
