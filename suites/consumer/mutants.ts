import type { Edit, Mutant } from '../mutants/mutant.ts';

/** In place of an upsert: two statements, with a moment between them, which is longer for later versions. */
const OLDER_ROWS_MAKE_WAY: Edit = {
  file: 'services/query/apply.ts',
  find: 'upserts.length === 0 ? undefined : client.query(upsertStatement(upserts)),',
  replace: `upserts.length === 0 ? undefined : client.query({
        text: 'DELETE FROM file_metadata_cache AS cached USING unnest($1::uuid[], $2::bigint[]) AS event (id, version) WHERE cached.id = event.id AND cached.version < event.version',
        values: [upserts.map(({ id }) => id), upserts.map(({ version }) => version)],
      }).then(() => client.query('SELECT pg_sleep(0.1 * $1)', [upserts[0]?.version ?? 1])).then(() => client.query(upsertStatement(upserts))),`,
};
const INSERT = { file: 'services/query/apply.ts', find: "name: 'upsert-files', text: UPSERT" } as const;

/** What can be wrong with consuming, whatever is delivered, and how often. */
export const CONSUMER_MUTANTS: readonly Mutant[] = [
  {
    id: 'read-with-noack',
    defect: 'the stream is read with NOACK: an entry is forgotten when it is delivered',
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
    id: 'no-version-guard',
    defect: 'whatever is delivered last is written',
    services: ['query'],
    caughtBy: ['CON-03/published', 'CON-03/plain'],
    edits: [{ file: 'services/query/apply.ts', find: '\nWHERE CASE\n', replace: '\nWHERE true OR CASE\n' }],
  },
  {
    id: 'versions-compared-as-text',
    defect: 'versions are compared as text, so 2 is newer than 11',
    services: ['query'],
    caughtBy: ['CON-03/published'],
    edits: [
      {
        file: 'services/query/apply.ts',
        find: 'excluded.version > cached.version',
        replace: 'excluded.version::text > cached.version::text',
      },
    ],
  },
  {
    id: 'no-guard-without-version',
    defect: 'an event without a version always counts as new',
    services: ['query'],
    caughtBy: ['CON-03/plain'],
    edits: [
      {
        file: 'services/query/apply.ts',
        find: 'WHEN excluded.version IS NULL THEN excluded.updated_at >= cached.updated_at',
        replace: 'WHEN excluded.version IS NULL THEN true',
      },
    ],
  },
  {
    id: 'no-tombstone',
    defect: 'a deletion removes the row and leaves no tombstone',
    services: ['query'],
    caughtBy: ['CON-04/published', 'CON-04/plain', 'CON-05/versions', 'CON-05/plain', 'SOAK-01'],
    aims: ['delivered-again'],
    edits: [
      {
        file: 'services/query/apply.ts',
        find: 'SELECT id, version, deleted_at FROM event ORDER BY id',
        replace: 'SELECT id, version, deleted_at FROM event WHERE false ORDER BY id',
      },
    ],
  },
  {
    id: 'tombstone-only-for-versions',
    defect: 'a tombstone holds off only events that have a version',
    services: ['query'],
    caughtBy: ['CON-04/plain', 'CON-05/plain'],
    edits: [
      {
        file: 'services/query/apply.ts',
        find: 'AND (tombstone.version IS NULL OR event.version IS NULL OR tombstone.version >= event.version))',
        replace: 'AND tombstone.version >= event.version)',
      },
    ],
  },
  {
    id: 'tombstone-only-with-a-row',
    defect: 'a deletion leaves a tombstone only when there is a row to delete',
    services: ['query'],
    caughtBy: ['CON-05/versions', 'CON-05/plain'],
    edits: [
      {
        file: 'services/query/apply.ts',
        find: 'SELECT id, version, deleted_at FROM event ORDER BY id',
        replace: `SELECT id, version, deleted_at FROM event
  WHERE EXISTS (SELECT FROM file_metadata_cache AS cached WHERE cached.id = event.id) ORDER BY id`,
      },
    ],
  },
  {
    id: 'update-needs-its-row',
    defect: 'an update of a file that is not there yet changes nothing',
    services: ['query'],
    caughtBy: ['CON-05/versions', 'CON-05/plain'],
    edits: [
      {
        file: 'services/query/apply.ts',
        find: 'AND NOT EXISTS (\n  SELECT FROM file_tombstones',
        replace: `AND (event.updated_at = event.created_at
    OR EXISTS (SELECT FROM file_metadata_cache AS present WHERE present.id = event.id))
  AND NOT EXISTS (\n  SELECT FROM file_tombstones`,
      },
    ],
  },
  {
    id: 'duplicate-violates-its-key',
    defect:
      'older rows make way, then rows are inserted: an event that comes again is a unique violation, a dead letter',
    services: ['query'],
    caughtBy: ['CON-06'],
    edits: [
      OLDER_ROWS_MAKE_WAY,
      { ...INSERT, replace: "name: 'upsert-files', text: UPSERT.replace(/ON CONFLICT[^]*/, '')" },
    ],
  },
  {
    id: 'batch-not-folded',
    defect: 'a batch with two events of one file is one statement that touches its row twice',
    services: ['query'],
    caughtBy: ['CON-06'],
    edits: [
      {
        file: 'services/query/apply.ts',
        find: 'const last = lastChangePerFile(changes);',
        replace: 'const last = lastChangePerFile([]).concat(...changes);',
      },
    ],
  },
  {
    id: 'duplicates-add-up',
    defect: 'an event that comes again adds its tags once more',
    services: ['query'],
    caughtBy: ['CON-06'],
    edits: [
      {
        file: 'services/query/apply.ts',
        find: 'tags = excluded.tags, cache_updated_at',
        replace: 'tags = cached.tags || excluded.tags, cache_updated_at',
      },
      {
        file: 'services/query/apply.ts',
        find: 'excluded.version > cached.version',
        replace: 'excluded.version >= cached.version',
      },
    ],
  },
  {
    id: 'poison-retried-for-ever',
    defect: 'an event that the database refuses is tried again for ever',
    services: ['query'],
    caughtBy: ['CON-07/single'],
    edits: [
      {
        file: 'services/query/batch.ts',
        find: 'if (item === undefined || refusals < DATA_ATTEMPTS_MAX) continue;',
        replace: 'if (item === undefined || refusals < Number.POSITIVE_INFINITY) continue;',
      },
    ],
  },
  {
    id: 'exception-ends-the-loop',
    defect: 'an event that cannot be read throws, and that ends the reading',
    services: ['query'],
    caughtBy: ['CON-07/single'],
    edits: [
      {
        file: 'services/query/batch.ts',
        find: 'else outcome.dead.push({ entry, error: parsed.error, attempts: 1 });',
        replace: 'else throw new Error(parsed.error);',
      },
      {
        file: 'services/query/consumer.ts',
        find: 'if (signal.aborted) return;\n        failures++;',
        replace: 'if (signal.aborted || (error as Error).name === "Error") return;\n        failures++;',
      },
    ],
  },
  {
    id: 'exception-repeats-the-batch',
    defect: 'an event that cannot be read throws, and its batch is read again and again',
    services: ['query'],
    caughtBy: ['CON-07/single'],
    edits: [
      {
        file: 'services/query/batch.ts',
        find: 'else outcome.dead.push({ entry, error: parsed.error, attempts: 1 });',
        replace: 'else throw new Error(parsed.error);',
      },
    ],
  },
  {
    id: 'poison-dropped',
    defect: 'an event that cannot be applied is acknowledged, and nothing remains of it',
    services: ['query'],
    caughtBy: ['CON-07/single'],
    edits: [
      {
        file: 'services/query/consumer.ts',
        find: 'await stream.deadLetter(letter);',
        replace: 'await stream.acknowledge([letter.entry.id]);',
      },
    ],
  },
  {
    id: 'dead-letter-stays-pending',
    defect: 'an event is dead-lettered and not acknowledged',
    services: ['query'],
    caughtBy: ['CON-07/many'],
    edits: [
      {
        file: 'services/query/stream.ts',
        find: "return redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])`;",
        replace: 'return 1`;',
      },
    ],
  },
  {
    id: 'poison-takes-its-batch-along',
    defect: 'one event that the database refuses makes dead letters of its whole batch',
    services: ['query'],
    caughtBy: ['CON-07/single'],
    edits: [
      {
        file: 'services/query/batch.ts',
        find: '} else if (items.length > 1) {',
        replace: `} else if (items.length > 1 && kind === 'data') {
          for (const { entry } of items) outcome.dead.push({ entry, error: describeRefusal(error), attempts: 1 });
          return;
        } else if (items.length > 1) {`,
      },
    ],
  },
  {
    id: 'poison-retried-slowly',
    defect: 'everything waits a second after each try of an event that the database refuses',
    services: ['query'],
    caughtBy: ['CON-07/many'],
    edits: [
      {
        file: 'services/query/batch.ts',
        find: "if (kind === 'data') refusals++;",
        replace: `if (kind === 'data') {
          refusals++;
          await pause(1000, this.#dependencies.signal);
        }`,
      },
    ],
  },
  {
    id: 'every-error-counts-as-poison',
    defect: 'every error counts towards the dead letter, also that the database is away',
    services: ['query'],
    caughtBy: ['CON-08'],
    edits: [
      {
        file: 'services/query/events.ts',
        find: "if (typeof code !== 'string') return 'outage';",
        replace: "if (typeof code !== 'string') return 'data';",
      },
      {
        file: 'services/query/events.ts',
        find: "return CONTENDED.has(code) ? 'contended' : 'outage';",
        replace: "return CONTENDED.has(code) ? 'contended' : 'data';",
      },
    ],
  },
  {
    id: 'deliveries-count-as-attempts',
    defect: 'what was delivered more than ten times is dead-lettered, whatever the reason was',
    services: ['query'],
    caughtBy: ['CON-08'],
    redis: { query: ['~file-events +xpending +xclaim'] },
    edits: [
      {
        file: 'services/query/consumer.ts',
        find: 'await this.#process(page.entries);',
        replace: `for (const entry of [...page.entries]) {
        const [facts] = await stream.pendingOf(entry.id);
        if (Number(facts?.[3]) <= 10) continue;
        await stream.deadLetter({ entry, error: 'delivered too often', attempts: Number(facts?.[3]) });
        page.entries.splice(page.entries.indexOf(entry), 1);
      }
      await this.#process(page.entries);`,
      },
      {
        file: 'services/query/stream.ts',
        find: '  async acknowledge(ids',
        replace: `  async pendingOf(id: string): Promise<unknown[][]> {
    return (await this.#call('XPENDING', this.names.stream, this.names.group, id, id, 1)) as unknown[][];
  }

  async acknowledge(ids`,
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
    id: 'waits-for-a-locked-row',
    defect: 'a consumer waits for a locked row as long as it takes',
    services: ['query'],
    caughtBy: ['CON-10'],
    edits: [
      { file: 'services/query/batch.ts', find: 'const LOCK_TIMEOUT_MS = 500;', replace: 'const LOCK_TIMEOUT_MS = 0;' },
      {
        file: 'services/query/batch.ts',
        find: 'const LOCK_TIMEOUT_AGAIN_MS = 100;',
        replace: 'const LOCK_TIMEOUT_AGAIN_MS = 0;',
      },
      {
        file: 'services/query/apply.ts',
        find: 'const STATEMENT_TIMEOUT_MS = 1500;',
        replace: 'const STATEMENT_TIMEOUT_MS = 0;',
      },
      // Nor does its client give up.
      {
        file: 'services/query/main.ts',
        find: 'connectionsMax: 1,',
        replace: 'connectionsMax: 1,\n    queryTimeoutMs: 600_000,',
      },
    ],
  },
  {
    id: 'locked-row-is-poison',
    defect: 'an event whose row is locked is dead-lettered after a few tries',
    services: ['query'],
    caughtBy: ['CON-10'],
    edits: [{ file: 'services/query/events.ts', find: "? 'contended' : 'outage'", replace: "? 'data' : 'outage'" }],
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
    defect: 'a takeover expects as many entries from XCLAIM as it asked for, and what it throws ends the process',
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
    id: 'looks-then-inserts',
    defect: 'whether a row is there is asked before it is inserted: of two consumers one violates its key',
    services: ['query'],
    caughtBy: ['CON-12/colliding'],
    edits: [
      OLDER_ROWS_MAKE_WAY,
      {
        ...INSERT,
        replace: `name: 'upsert-files', text: UPSERT.replace(/ORDER BY event\\.id[^]*/,
      'AND NOT EXISTS (SELECT FROM file_metadata_cache AS present WHERE present.id = event.id)')`,
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
    defect: 'a consumer that starts again does not go on with the entries that it held',
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
    defect: 'what a consumer held that is gone is left to it',
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
