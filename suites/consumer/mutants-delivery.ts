import type { Mutant } from '../mutants/mutant.ts';

/** What can be wrong with how entries are read, held, taken over and acknowledged. */
export const DELIVERY_MUTANTS: readonly Mutant[] = [
  {
    id: 'read-with-noack',
    defect: 'the stream is read with NOACK: an entry is dropped from the pending entries list when it is delivered',
    services: ['query'],
    caughtBy: ['CON-01', 'SOAK-01'],
    aims: ['query-killed-reading'],
    unrepaired: true,
    edits: [
      {
        file: 'services/query/stream.ts',
        find: "'BLOCK', blockMs, 'STREAMS', stream, '>'",
        replace: "'BLOCK', blockMs, 'NOACK', 'STREAMS', stream, '>'",
      },
    ],
  },
  {
    id: 'takes-over-from-others-only',
    defect: 'a consumer looks for the abandoned entries of others, not for its own',
    services: ['query'],
    caughtBy: ['CON-02/own'],
    redis: { query: ['~file-events +xpending +xclaim'] },
    edits: [
      {
        file: 'services/query/stream.ts',
        find: "const reply = asList(await this.#call('XAUTOCLAIM', stream, group, consumer, idleMs, cursor, 'COUNT', count));",
        replace: `const held = await this.#call('XPENDING', stream, group, 'IDLE', idleMs, '-', '+', count);
    const ids = asList(held).map((item) => asList(item).map(String)).filter(([, owner]) => owner !== consumer).map(([id]) => id as string);
    if (ids.length === 0) return { cursor: '0-0', entries: [], deletedIds: [] };
    const reply = ['0-0', await this.#call('XCLAIM', stream, group, consumer, idleMs, ...ids)];`,
      },
    ],
  },
  {
    id: 'taken-over-without-applying',
    defect: 'what is taken over is acknowledged without being applied',
    unrepaired: true,
    services: ['query'],
    caughtBy: ['CON-02/abandoned', 'CON-02/own'],
    edits: [
      {
        file: 'services/query/consumer.ts',
        find: 'await this.#process(page.entries);',
        replace: 'await stream.acknowledge(page.entries.map(({ id }) => id));',
      },
    ],
  },
  {
    id: 'scans-the-beginning-only',
    defect: 'every scan for abandoned entries starts at the beginning and ends with its first page',
    services: ['query'],
    caughtBy: ['CON-09'],
    edits: [{ file: 'services/query/consumer.ts', find: 'cursor = page.cursor;', replace: "cursor = '0-0';" }],
  },
  {
    id: 'takes-over-at-once',
    defect: 'entries are taken over however short they have been held',
    services: ['query'],
    caughtBy: ['CON-09', 'CON-10'],
    edits: [
      {
        file: 'services/query/consumer.ts',
        find: 'await stream.claimIdle(settings.pendingRetryMs, cursor, settings.batchSize);',
        replace: 'await stream.claimIdle(0, cursor, settings.batchSize);',
      },
    ],
  },
  {
    id: 'trimmed-entry-destructured',
    defect: 'the fields of an entry are read without asking whether it is still there',
    services: ['query'],
    caughtBy: ['CON-11/own'],
    edits: [
      {
        file: 'services/query/stream.ts',
        find: 'fields: fields === null ? null : asList(fields).map(String)',
        replace: 'fields: asList(fields).map(String)',
      },
    ],
  },
  {
    id: 'claimed-entry-destructured',
    defect: 'a takeover expects as many entries from XCLAIM as it requested, and its exception ends the process',
    services: ['query'],
    caughtBy: ['CON-11/abandoned'],
    redis: { query: ['~file-events +xpending +xclaim'] },
    edits: [
      {
        file: 'services/query/stream.ts',
        find: "const reply = asList(await this.#call('XAUTOCLAIM', stream, group, consumer, idleMs, cursor, 'COUNT', count));",
        replace: `const held = await this.#call('XPENDING', stream, group, 'IDLE', idleMs, '-', '+', count);
    const ids = asList(held).map((item) => String(asList(item)[0]));
    if (ids.length === 0) return { cursor: '0-0', entries: [], deletedIds: [] };
    const claimed = asList(await this.#call('XCLAIM', stream, group, consumer, idleMs, ...ids));
    const reply = ['0-0', ids.map((id, i) => [id, asList(claimed[i])[1]])];`,
      },
      {
        file: 'services/query/consumer.ts',
        find: 'this.#preparedEpoch = -1;\n        if (signal.aborted) return;',
        replace: `this.#preparedEpoch = -1;
        if (error instanceof TypeError) throw error;
        if (signal.aborted) return;`,
      },
    ],
  },
  {
    id: 'acknowledged-before-applied',
    defect: 'entries are acknowledged before their effect is committed',
    unrepaired: true,
    services: ['query'],
    caughtBy: ['RES-03', 'CON-01', 'SOAK-01'],
    aims: ['killed-while-holding'],
    edits: [
      {
        file: 'services/query/consumer.ts',
        find: 'const { done, dead, deferred, gone } = await this.#needs.batches.apply(entries, tried);',
        replace: `await this.#needs.stream.acknowledge(entries.map((entry) => entry.id));
      const { done, dead, deferred, gone } = await this.#needs.batches.apply(entries, tried);`,
      },
    ],
  },
  {
    id: 'own-pending-not-drained',
    defect: 'a consumer that restarts does not resume with the entries that it held',
    unrepaired: true,
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
    id: 'never-takes-over',
    defect: 'what a dead consumer held is never taken over',
    unrepaired: true,
    services: ['query'],
    caughtBy: ['RES-04', 'CON-02/abandoned', 'CON-02/own'],
    edits: [
      {
        file: 'services/query/consumer.ts',
        find: 'if (performance.now() >= this.#claimDueAt) await this.#takeOver();',
        replace: '',
      },
    ],
  },
  {
    id: 'takes-over-much-later',
    defect: 'entries are taken over only after thirty times the retry time',
    unrepaired: true,
    services: ['query'],
    caughtBy: ['RES-04'],
    edits: [
      {
        file: 'services/query/consumer.ts',
        find: 'stream.claimIdle(settings.pendingRetryMs, cursor',
        replace: 'stream.claimIdle(30 * settings.pendingRetryMs, cursor',
      },
    ],
  },
  {
    id: 'taken-over-and-dropped',
    defect: 'entries that were taken over are acknowledged and never applied',
    unrepaired: true,
    services: ['query'],
    caughtBy: ['RES-04'],
    edits: [
      {
        file: 'services/query/consumer.ts',
        find: 'await this.#process(page.entries);',
        replace: 'await stream.acknowledge(page.entries.map(({ id }) => id));',
      },
    ],
  },
];
