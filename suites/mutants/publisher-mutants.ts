import type { Mutant } from './mutant.ts';

/** What can be wrong on the way from a committed change to the stream. */
export const publisherMutants: readonly Mutant[] = [
  {
    id: 'publishing-off',
    defect: 'nothing is published',
    services: ['admin'],
    caughtBy: ['SYNC-01', 'UP-02'],
    edits: [
      {
        file: 'services/admin/main.ts',
        find: 'if (!config.EVENT_PUBLISH_ENABLED) return;',
        replace: 'if (config.EVENT_PUBLISH_ENABLED) return;',
      },
    ],
  },
  {
    id: 'other-stream',
    defect: 'the publisher writes to another stream than the consumer reads',
    services: ['admin'],
    caughtBy: ['SYNC-01'],
    edits: [
      {
        file: 'services/admin/main.ts',
        find: 'streamName: config.EVENT_STREAM_NAME,',
        replace: "streamName: config.EVENT_STREAM_NAME + '-v2',",
      },
    ],
  },
  {
    id: 'updates-not-published',
    defect: 'an update leaves no event',
    services: ['admin'],
    caughtBy: ['SYNC-02'],
    edits: [
      {
        file: 'services/admin/file-store.ts',
        find: "queued('file:updated', '$2')",
        replace: "queued('file:updated', '$2').replace('FROM changed', 'FROM changed WHERE false')",
      },
    ],
  },
  {
    id: 'deletes-not-published',
    defect: 'a deletion leaves no event',
    services: ['admin'],
    caughtBy: ['SYNC-03'],
    edits: [
      {
        file: 'services/admin/file-store.ts',
        find: "queued('file:deleted', '$2', 'NULL')",
        replace: "queued('file:deleted', '$2', 'NULL').replace('FROM changed', 'FROM changed WHERE false')",
      },
    ],
  },
  {
    id: 'upload-awaits-xadd',
    defect: 'the answer to an upload waits for an XADD on a client with default options',
    services: ['admin'],
    caughtBy: ['RES-01/killed', 'RES-01/paused'],
    edits: [
      {
        file: 'services/admin/main.ts',
        find: '  let relay: OutboxRelay | undefined;',
        replace: `  let relay: OutboxRelay | undefined;
  const { Redis } = await import('ioredis');
  const direct = new Redis(config.REDIS_URL).on('error', () => {});`,
      },
      {
        file: 'services/admin/main.ts',
        find: 'committed: () => relay?.wake(),',
        replace:
          "committed: () => { relay?.wake(); return direct.xadd(config.EVENT_STREAM_NAME + ':direct', '*', 'a', 'b'); },",
      },
      {
        file: 'services/admin/file-routes.ts',
        find: `      committed();
      return reply.code(201).send(file);`,
        replace: `      await committed();
      return reply.code(201).send(file);`,
      },
    ],
  },
  {
    id: 'publish-error-swallowed',
    defect: 'an event that Redis did not take counts as published',
    services: ['admin'],
    caughtBy: ['RES-02/killed-1s'],
    edits: [
      {
        file: 'services/admin/outbox-relay.ts',
        find: `      redisTrouble.begin(error);
      return false;`,
        replace: `      redisTrouble.begin(error);
      return true;`,
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
    id: 'changes-lost-without-redis',
    defect: 'updates and deletions that Redis did not take count as published',
    services: ['admin'],
    caughtBy: ['RES-02/killed-10s'],
    edits: [
      {
        file: 'services/admin/outbox-relay.ts',
        find: 'await pause(backoffMs(1, { ms: RETRY_MS, msMax: RETRY_MS }), stopping.signal);',
        replace: `const changes = rows.filter((row) => row.event_type !== 'file:created');
        await session.markPublished(changes.map((row) => row.seq));
        await pause(backoffMs(1, { ms: RETRY_MS, msMax: RETRY_MS }), stopping.signal);`,
      },
    ],
  },
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
  {
    id: 'relay-ends-with-its-session',
    defect: 'the relay ends for good when its database session is lost',
    services: ['admin'],
    caughtBy: ['RES-05/admin'],
    edits: [
      {
        file: 'services/admin/outbox-relay.ts',
        find: '          await lead(session);',
        replace: `          await lead(session).catch(() => {});
          return;`,
      },
    ],
  },
];
