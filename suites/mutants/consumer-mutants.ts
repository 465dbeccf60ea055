import type { Mutant } from './mutant.ts';

/** What can be wrong on the way from the stream to the read model. */
export const consumerMutants: readonly Mutant[] = [
  {
    id: 'group-created-at-end',
    defect: 'the consumer group starts at $: what was written before it is skipped',
    services: ['query'],
    caughtBy: ['SYNC-09/producer-first'],
    edits: [
      {
        file: 'services/query/stream.ts',
        find: "this.names.group, '0', 'MKSTREAM'",
        replace: "this.names.group, '$', 'MKSTREAM'",
      },
    ],
  },
  {
    id: 'group-made-only-at-boot',
    defect: 'the consumer makes its group when it connects, and never again',
    services: ['query'],
    caughtBy: ['SYNC-09/before-stream'],
    edits: [
      {
        file: 'services/query/consumer.ts',
        find: '        this.#preparedEpoch = -1;\n        if (signal.aborted) return;',
        replace: '        if (signal.aborted) return;',
      },
    ],
  },
  {
    id: 'batch-drops-one',
    defect: 'the first event of a batch of more than three is acknowledged without being applied',
    services: ['query'],
    caughtBy: ['SYNC-05/200'],
    edits: [
      {
        file: 'services/query/batch.ts',
        find: 'if (entry.fields === null) {',
        replace: 'if (entry.fields === null || (entries.length > 3 && entry === entries[0])) {',
      },
    ],
  },
  {
    id: 'description-trimmed',
    defect: 'the read model trims descriptions',
    services: ['query'],
    caughtBy: ['SYNC-02'],
    edits: [
      {
        file: 'services/query/apply.ts',
        find: 'column(({ metadata }) => metadata.description ?? null)',
        replace: 'column(({ metadata }) => metadata.description?.trim() ?? null)',
      },
    ],
  },
  {
    id: 'deletion-ignored-in-search',
    defect: 'a deletion is acknowledged, but the row stays',
    services: ['query'],
    caughtBy: ['SYNC-03'],
    edits: [
      {
        file: 'services/query/apply.ts',
        find: 'DELETE FROM file_metadata_cache AS cached USING event\nWHERE cached.id = event.id',
        replace: 'DELETE FROM file_metadata_cache AS cached USING event\nWHERE false AND cached.id = event.id',
      },
    ],
  },
  {
    id: 'acknowledged-before-applied',
    defect: 'entries are acknowledged before their effect is committed',
    services: ['query'],
    caughtBy: ['RES-03'],
    edits: [
      {
        file: 'services/query/consumer.ts',
        find: 'const { done, dead, deferred } = await this.#needs.batches.apply(entries, tried);',
        replace: `await this.#needs.stream.acknowledge(entries.map((entry) => entry.id));
      const { done, dead, deferred } = await this.#needs.batches.apply(entries, tried);`,
      },
    ],
  },
  {
    id: 'own-pending-not-drained',
    defect: 'a consumer that starts again does not go on with the entries that it held',
    services: ['query'],
    caughtBy: ['RES-03'],
    edits: [
      {
        file: 'services/query/consumer.ts',
        find: `    await this.#drainOwn();
    metrics.connections.inc();`,
        replace: '    metrics.connections.inc();',
      },
    ],
  },
  {
    id: 'never-reconnects',
    defect: 'no client connects to Redis again once the connection is lost',
    services: ['admin', 'query'],
    caughtBy: ['RES-02/killed-1s'],
    edits: [
      {
        file: 'services/common/redis.ts',
        find: 'retryStrategy: () => backoffMs(1, { ms: 50, msMax: 50 }),',
        replace: 'retryStrategy: () => null,',
      },
    ],
  },
  {
    id: 'read-never-settles',
    defect: 'a blocking read that outlives its connection is neither answered nor given up',
    services: ['query'],
    caughtBy: ['RES-05/redis', 'RES-02/paused-10s'],
    edits: [
      {
        file: 'services/common/redis.ts',
        find: 'maxRetriesPerRequest: 0,',
        replace: 'maxRetriesPerRequest: null, autoResendUnfulfilledCommands: false,',
      },
      {
        file: 'services/query/connection.ts',
        find: 'return await within(deadlineMs, command, client.call(command.toLowerCase(), ...args));',
        replace: 'return await client.call(command.toLowerCase(), ...args);',
      },
    ],
  },
  {
    id: 'search-empty-without-redis',
    defect: 'searches answer 200 and find nothing while Redis is away',
    services: ['query'],
    caughtBy: ['RES-01/killed'],
    edits: [
      {
        file: 'services/query/app.ts',
        find: '(request) => searchFiles(pool, request.body),',
        replace: `async (request) =>
      searchFiles(pool, { ...request.body, ...((await parts.eventsFlow()) ? {} : { query: 'nothing-has-this-name' }) }),`,
      },
    ],
  },
  {
    id: 'crashes-without-redis',
    defect: 'an error of the Redis connection ends the process',
    services: ['query'],
    caughtBy: ['RES-01/killed', 'RES-01/refused'],
    edits: [
      {
        file: 'services/common/redis.ts',
        find: "client.on('error', (error) => trouble.begin(error));",
        replace: "client.on('error', (error) => { trouble.begin(error); throw error; });",
      },
    ],
  },
];
