import type { Mutant } from '../mutants/mutant.ts';

/** What can be wrong with outages of Redis, and of those who publish and consume. */
export const REDIS_OUTAGE_MUTANTS: readonly Mutant[] = [
  {
    id: 'upload-awaits-xadd',
    defect: 'the answer to an upload waits for an XADD on a client with default options',
    services: ['admin'],
    caughtBy: ['RES-01/killed', 'RES-01/paused'],
    redis: { admin: ['~file-events:direct +xadd'] },
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
    unrepaired: true,
    services: ['admin'],
    caughtBy: ['RES-02/killed-1s', 'PUB-01/killed', 'PUB-01/paused'],
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
    id: 'changes-lost-without-redis',
    defect: 'updates and deletions that Redis did not take count as published',
    unrepaired: true,
    services: ['admin'],
    caughtBy: ['RES-02/killed-10s'],
    edits: [
      {
        file: 'services/admin/outbox-relay.ts',
        find: 'await pause(backoffMs(1, { ms: RETRY_MS, msMax: RETRY_MS }), stopping.signal);',
        replace: `const changes = unpublished.filter((row) => row.event_type !== 'file:created');
        await session.markPublished(changes);
        await pause(backoffMs(1, { ms: RETRY_MS, msMax: RETRY_MS }), stopping.signal);`,
      },
    ],
  },
  {
    id: 'relay-ends-with-its-session',
    defect: 'the relay stops for good when its database session is lost',
    services: ['admin'],
    caughtBy: ['RES-05/admin', 'RES-08/admin-terminated'],
    edits: [
      {
        file: 'services/admin/outbox-relay.ts',
        find: '          await lead(session);',
        replace: `          await lead(session).catch(() => {});
          return;`,
      },
    ],
  },
  {
    id: 'never-reconnects',
    defect: 'no client reconnects to Redis once the connection is lost',
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
    defect: 'a blocking read that outlives its connection is neither answered nor aborted',
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
    defect: 'searches answer 200 and find nothing during a Redis outage',
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
    id: 'search-counts-only-without-redis',
    defect: 'searches count their results, and list none of them, during a Redis outage',
    services: ['query'],
    caughtBy: ['RES-01/killed'],
    edits: [
      {
        file: 'services/query/app.ts',
        find: '(request) => searchFiles(pool, request.body),',
        replace: `async (request) => {
      const page = await searchFiles(pool, request.body);
      return (await parts.eventsFlow()) ? page : { ...page, results: [] };
    },`,
      },
    ],
  },
  {
    id: 'by-id-needs-redis',
    defect: 'single files cannot be read during a Redis outage',
    services: ['query'],
    caughtBy: ['RES-01/killed', 'RES-02/killed-10s'],
    edits: [
      {
        file: 'services/query/app.ts',
        find: '(request) => knownFile(pool, request.params.id),',
        replace: `async (request) => {
      if (!(await parts.eventsFlow())) throw new HttpProblem(503, 'The cache is not available.');
      return knownFile(pool, request.params.id);
    },`,
      },
    ],
  },
  {
    id: 'by-id-unknown-without-redis',
    defect: 'no file is found by its id during a Redis outage',
    services: ['query'],
    caughtBy: ['RES-01/killed'],
    edits: [
      {
        file: 'services/query/app.ts',
        find: '(request) => knownFile(pool, request.params.id),',
        replace: `async (request) => {
      if (!(await parts.eventsFlow())) throw new HttpProblem(404, 'There is no such file.');
      return knownFile(pool, request.params.id);
    },`,
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
  {
    id: 'ready-without-redis',
    defect: 'readiness says healthy during a Redis outage',
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
  {
    id: 'read-without-watchdog',
    defect: 'neither the client nor the consumer times out a blocking read that is never answered',
    unrepaired: true,
    services: ['query'],
    caughtBy: ['RES-06/forgotten'],
    edits: [
      { file: 'services/common/redis.ts', find: 'socketTimeout: options.socketTimeoutMs,', replace: '' },
      {
        file: 'services/query/connection.ts',
        find: 'return await within(deadlineMs, command, client.call(command.toLowerCase(), ...args));',
        replace: 'return await client.call(command.toLowerCase(), ...args);',
      },
    ],
  },
  {
    id: 'ready-by-client-status',
    defect: 'readiness trusts the Redis client, which reports ready while nothing is answered',
    services: ['query'],
    caughtBy: ['RES-06/both', 'RES-06/requests', 'RES-06/replies'],
    edits: [
      {
        file: 'services/query/consuming.ts',
        find: 'return this.#consumer?.isReading() === true && (await this.#ping());',
        replace: "return this.#side.status === 'ready';",
      },
    ],
  },
  {
    id: 'search-awaits-ping',
    defect: 'a search waits for the answer to a PING on a client with default options',
    services: ['query'],
    caughtBy: ['RES-11/killed', 'RES-11/paused'],
    edits: [
      {
        file: 'services/query/app.ts',
        find: '  const security = [',
        replace: `  const { Redis } = await import('ioredis');
  const redis = new Redis(config.REDIS_URL).on('error', () => {});
  const security = [`,
      },
      {
        file: 'services/query/app.ts',
        find: '(request) => searchFiles(pool, request.body),',
        replace: 'async (request) => { await redis.ping(); return searchFiles(pool, request.body); },',
      },
    ],
  },
  {
    id: 'search-refuses-when-degraded',
    defect: 'searches are answered 503 while events do not flow',
    services: ['query'],
    caughtBy: ['RES-11/killed'],
    edits: [
      {
        file: 'services/query/app.ts',
        find: '(request) => searchFiles(pool, request.body),',
        replace: `async (request) => {
      if (!(await parts.eventsFlow())) throw new HttpProblem(503, 'Searches may be stale.');
      return searchFiles(pool, request.body);
    },`,
      },
    ],
  },
  {
    id: 'refusal-counts-as-published',
    defect: 'an event that Redis answers with an error counts as published',
    unrepaired: true,
    services: ['admin'],
    caughtBy: ['RES-07/oom', 'RES-07/busy'],
    edits: [
      {
        file: 'services/admin/outbox-relay.ts',
        find: `      redisTrouble.begin(error);
      return false;`,
        replace: `      redisTrouble.begin(error);
      return error instanceof Error && error.name === 'ReplyError';`,
      },
    ],
  },
  {
    id: 'gives-up-after-refusals',
    defect: 'an event that was refused twenty times is given up',
    unrepaired: true,
    services: ['admin'],
    caughtBy: ['RES-07/misconf', 'RES-07/noperm'],
    edits: [
      {
        file: 'services/admin/outbox-relay.ts',
        find: '        refused = true;',
        replace: `        refused = true;
        const counts = globalThis as { refusals?: number };
        counts.refusals = (counts.refusals ?? 0) + 1;
        if (counts.refusals % 20 === 0) await session.markPublished(rows);`,
      },
    ],
  },
  {
    id: 'publisher-spins-on-errors',
    defect: 'a batch that was refused is sent again at once',
    services: ['admin'],
    caughtBy: ['RES-07/oom'],
    edits: [
      {
        file: 'services/admin/outbox-relay.ts',
        find: 'await pause(backoffMs(1, { ms: RETRY_MS, msMax: RETRY_MS }), stopping.signal);',
        replace: '',
      },
    ],
  },
  {
    id: 'consumer-spins-on-errors',
    defect: 'a consumer that is answered with an error retries, or reconnects, at once',
    services: ['query'],
    caughtBy: ['RES-07/noperm'],
    edits: [
      {
        file: 'services/query/consumer.ts',
        find: 'await pause(backoffMs(failures, ERROR_PAUSE), signal);',
        replace: '',
      },
    ],
  },
  {
    id: 'refusals-shown-nowhere',
    defect: 'neither metrics nor readiness report that nothing can be published',
    services: ['admin'],
    caughtBy: ['RES-07/oom'],
    edits: [
      { file: 'services/admin/main.ts', find: 'onFailed: () => events.failed.inc(),', replace: 'onFailed: () => {},' },
    ],
  },
  {
    id: 'crashes-on-readonly',
    defect: 'a Redis that has become a replica stops the consumer',
    services: ['query'],
    caughtBy: ['RES-07/readonly'],
    edits: [
      {
        file: 'services/query/consumer.ts',
        find: "if (isReply(error, 'READONLY')) connection.reconnect('the server became a replica');",
        replace: "if (isReply(error, 'READONLY')) process.exit(1);",
      },
    ],
  },
  {
    id: 'missing-rights-end-the-loop',
    defect: 'a consumer that is answered NOPERM or LOADING stops reading',
    unrepaired: true,
    services: ['query'],
    caughtBy: ['RES-07/noperm', 'RES-07/loading'],
    edits: [
      {
        file: 'services/query/consumer.ts',
        find: 'this.#trouble.begin(error);',
        replace: "this.#trouble.begin(error);\n        if (isReply(error, 'NOPERM', 'LOADING')) return;",
      },
    ],
  },
];
