import type { Mutant } from './mutant.ts';

/** What can be wrong at the edges: tokens, uploads, health. */
export const edgeMutants: readonly Mutant[] = [
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
    id: 'search-cuts-microseconds',
    defect: 'search cuts timestamps to milliseconds',
    services: ['query'],
    caughtBy: ['SYNC-02'],
    edits: [
      {
        file: 'services/query/search-store.ts',
        find: String.raw`iso.replace(/(\.\d{3})000Z$/, '$1Z')`,
        replace: String.raw`iso.replace(/(\.\d{3})\d{3}Z$/, '$1Z')`,
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
    id: 'ready-without-redis',
    defect: 'readiness says healthy while Redis is away',
    services: ['query'],
    caughtBy: ['RES-01/killed', 'HLTH-01/redis-killed', 'HLTH-01/redis-paused'],
    edits: [
      {
        file: 'services/query/consuming.ts',
        find: 'return this.#consumer?.isReading() === true && (await this.#ping());',
        replace: 'return this.#consumer !== undefined;',
      },
    ],
  },
];
