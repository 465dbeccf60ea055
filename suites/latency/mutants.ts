import type { Mutant } from '../mutants/mutant.ts';

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
  {
    id: 'publisher-shares-a-blocked-connection',
    defect: 'a read with BLOCK runs on the connection that the relay publishes on',
    services: ['admin'],
    caughtBy: ['LAT-02'],
    redis: { admin: ['~file-events +xread'] },
    edits: [
      {
        file: 'services/admin/main.ts',
        find: 'const socketTimeoutMs = Math.min(config.EVENT_PUBLISH_TIMEOUT * 1000, PUBLISH_TIMEOUT_MS_MAX);',
        replace: 'const socketTimeoutMs = 60_000;',
      },
      {
        file: 'services/admin/main.ts',
        find: '    started = true;\n',
        replace: `    started = true;
    const watch = async () => {
      for (;;) await redis.xread('BLOCK', 5000, 'STREAMS', config.EVENT_STREAM_NAME, '$');
    };
    redis.once('ready', () => watch().catch(() => {}));
    if (redis.status === 'ready') watch().catch(() => {});
`,
      },
    ],
  },
  {
    id: 'polls-rarely-when-idle',
    defect: 'a consumer that received nothing reads again after 4 s',
    services: ['query'],
    caughtBy: ['LAT-02'],
    edits: [
      {
        file: 'services/query/consumer.ts',
        find: 'return await this.#needs.stream.readNew(batchSize, blockMs);',
        replace: `const entries = await this.#needs.stream.readNew(batchSize, 1);
      if (entries.length === 0) await pause(4000, this.#needs.signal);
      return entries;`,
      },
    ],
  },
];
