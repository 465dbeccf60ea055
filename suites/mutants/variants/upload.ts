import type { Mutant } from '../mutant.ts';

/** What the ingester tells the registry of an upload, and where. */
const REGISTERED = {
  description: 'description: fields.description,',
  tags: 'tags: fields.tags,',
  user_metadata: 'user_metadata: fields.metadata,',
  content_type: 'content_type: received.contentType,',
  uploaded_by: 'uploaded_by: account.clientId,',
} as const;

const upload = 'services/ingester/upload.ts';
const event = 'services/admin/event.ts';

/** The metadata of every event with something else in it than the registry has. */
const eventSays = (id: string, defect: string, instead: string): Mutant => ({
  id,
  defect,
  services: ['admin'],
  caughtBy: ['UP-02'],
  edits: [
    {
      file: event,
      find: "else fields.push('metadata', row.metadata);",
      replace: `else fields.push('metadata', JSON.stringify({ ...JSON.parse(row.metadata), ${instead} }));`,
    },
  ],
});

/** What can be wrong with uploads, what is registered of them and the events they leave. */
export const UPLOAD_MUTANTS: readonly Mutant[] = [
  ...Object.entries(REGISTERED).map(
    ([field, line]): Mutant => ({
      id: `upload-drops-${field.replaceAll('_', '-')}`,
      defect: `the ${field} of an upload is dropped, from registry, event and search alike`,
      services: ['ingester'],
      caughtBy: ['UP-01', 'UP-02'],
      edits: [{ file: upload, find: line, replace: '' }],
    }),
  ),
  eventSays('event-without-ttl', 'the event of a temporary file does not say how long it lives', 'ttl_days: null'),
  eventSays('event-claims-compression', 'the event says that the bytes were compressed', 'compressed: true'),
  eventSays('event-makes-up-size', 'the event tells an original size that is not the file’s', 'original_size: 1'),
  eventSays(
    'event-makes-up-address',
    'the event names an address that the registry does not',
    "upload_source_ip: '::'",
  ),
  {
    id: 'compression-without-algorithm',
    defect: 'files are registered as compressed, and nothing says how',
    services: ['ingester'],
    caughtBy: ['UP-02'],
    edits: [{ file: upload, find: 'tags: fields.tags,', replace: 'tags: fields.tags, compressed: true,' }],
  },
  {
    id: 'event-sent-again-later',
    defect: 'every batch of events is put on the stream a second time, 400 ms later',
    services: ['admin'],
    caughtBy: ['UP-02'],
    edits: [
      {
        file: 'services/admin/outbox-relay.ts',
        find: '    options.onPublished(rows.length);',
        replace: `    options.onPublished(rows.length);
    setTimeout(() => void sendBatch(options, rows).catch(() => {}), 400);`,
      },
    ],
  },
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
