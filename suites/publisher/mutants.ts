import type { Mutant } from '../mutants/mutant.ts';

const RELAY = 'services/admin/outbox-relay.ts';
const OUTBOX = 'services/admin/outbox-store.ts';

/** What can be wrong with publishing what was committed. */
export const PUBLISHER_MUTANTS: readonly Mutant[] = [
  {
    id: 'marked-before-sent',
    defect: 'rows count as published before Redis has accepted them',
    services: ['admin'],
    caughtBy: ['PUB-01/killed', 'PUB-01/paused'],
    edits: [
      {
        file: RELAY,
        find: '      if (await publish(rows)) {',
        replace: `      await session.markPublished(rows);
      if (await publish(rows)) {`,
      },
    ],
  },
  {
    id: 'sent-before-commit',
    defect: 'the event of a registration is sent in its transaction, before the COMMIT',
    services: ['admin'],
    caughtBy: ['PUB-02'],
    edits: [
      {
        file: 'services/admin/file-store.ts',
        find: "import type { Pool } from '../common/postgres.ts';",
        replace: `import { Redis } from 'ioredis';
import type { Pool } from '../common/postgres.ts';
import { eventFields } from './outbox-store.ts';

const direct = new Redis(process.env.REDIS_URL ?? '');

async function sendThenCommit(pool: Pool, query: { name: string; text: string; values: unknown[] }) {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    const result = await client.query<FileRow>(query);
    const { rows } = await client.query(
      \`UPDATE outbox SET published_at = now() WHERE file_id = $1 AND version = 1
       RETURNING seq, seq AS sequence, event_id, event_type, file_id, version, storage_element_id, utc_text(occurred_at) AS occurred_at, metadata, traceparent\`,
      [query.values[0]],
    );
    for (const row of rows) await direct.xadd('file-events', '*', ...eventFields(row));
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  } finally {
    client.release();
  }
}`,
      },
      {
        file: 'services/admin/file-store.ts',
        find: "const { rows } = await pool.query<FileRow>({\n    name: 'create-file',",
        replace: "const { rows } = await sendThenCommit(pool, {\n    name: 'create-file',",
      },
    ],
  },
  {
    id: 'sent-for-ever-after-a-failure',
    defect: 'once a batch has failed, it is never marked, and sent again and again',
    services: ['admin'],
    caughtBy: ['PUB-03'],
    edits: [
      {
        file: RELAY,
        find: '        published = rows;\n',
        replace: '        if (!failed.has(rows[0]?.seq)) published = rows;\n',
      },
      {
        file: RELAY,
        find: '      options.onFailed();\n',
        replace: '      options.onFailed();\n      failed.add(rows[0]?.seq);\n',
      },
      {
        file: RELAY,
        find: '  let woken = false;\n',
        replace: '  let woken = false;\n  const failed = new Set<unknown>();\n',
      },
    ],
  },
  {
    id: 'failed-batch-goes-last',
    defect: 'a batch that failed is put back behind what came after it',
    services: ['admin'],
    caughtBy: ['PUB-03'],
    edits: [
      {
        file: RELAY,
        find: '      options.onFailed();\n',
        replace: `      options.onFailed();
      for (const row of rows) setTimeout(() => void sendBatch(options, [row]).catch(() => {}), 500);
`,
      },
    ],
  },
  {
    id: 'relay-ends-with-a-lost-reply',
    defect: 'the relay stops for good when Redis does not answer',
    services: ['admin'],
    caughtBy: ['PUB-03'],
    edits: [
      {
        file: RELAY,
        find: '        await pause(backoffMs(1, { ms: RETRY_MS, msMax: RETRY_MS }), stopping.signal);',
        replace: '        stopping.abort();',
      },
    ],
  },
  {
    id: 'outbox-cursor',
    defect: 'the relay reads the rows above the last number that it has published',
    services: ['admin'],
    caughtBy: ['PUB-04', 'SOAK-01'],
    aims: ['commit-held', 'admin-killed-committing'],
    edits: [
      {
        file: OUTBOX,
        find: "client.query<OutboxRow>({ name: 'unpublished', text: UNPUBLISHED }),",
        replace: `client.query<OutboxRow>({
          name: 'unpublished',
          text: UNPUBLISHED.replace('published_at IS NULL', 'published_at IS NULL AND seq > (SELECT coalesce(max(seq), 0) FROM outbox WHERE published_at IS NOT NULL)'),
        }),`,
      },
    ],
  },
  {
    id: 'waits-for-older-transactions',
    defect: 'the relay reads only what no open transaction can come before',
    services: ['admin'],
    caughtBy: ['PUB-04'],
    edits: [
      {
        file: OUTBOX,
        find: 'WHERE published_at IS NULL ORDER BY seq LIMIT',
        replace:
          'WHERE published_at IS NULL AND xmin::text::bigint < pg_snapshot_xmin(pg_current_snapshot())::text::bigint ORDER BY seq LIMIT',
      },
    ],
  },
  {
    id: 'number-taken-before-the-lock',
    defect: 'an update takes its outbox number before it has locked the row of its file',
    services: ['admin'],
    caughtBy: ['PUB-05/piled-up', 'PUB-05/relayed'],
    edits: [
      {
        file: 'services/admin/file-store.ts',
        find: '  const { rows } = await pool.query<FileRow>(\n    `WITH changed AS (\n       UPDATE files',
        replace: `  const { rows: [number] } = await pool.query("SELECT nextval(pg_get_serial_sequence('outbox', 'seq')) AS seq");
  const { rows } = await pool.query<FileRow>(
    \`WITH changed AS (
       UPDATE files`,
      },
      {
        file: 'services/admin/file-store.ts',
        find: "queued('file:updated', '$2')",
        replace:
          "queued('file:updated', '$2').replace('(event_type,', '(seq, event_type,').replace('SELECT', 'OVERRIDING SYSTEM VALUE SELECT ' + number?.seq + ',')",
      },
    ],
  },
  {
    id: 'outbox-read-in-no-order',
    defect: 'unpublished rows are read in whatever order',
    services: ['admin'],
    caughtBy: ['PUB-05/piled-up'],
    edits: [{ file: OUTBOX, find: '\n  ORDER BY seq`;', replace: '\n  ORDER BY event_id`;' }],
  },
  {
    id: 'newest-state-only',
    defect: 'of a file only the newest event that waits is sent',
    services: ['admin'],
    caughtBy: ['PUB-05/piled-up'],
    edits: [
      {
        file: RELAY,
        find: 'for (const row of rows) transaction.xadd(',
        replace: `const newest = rows.filter((row, i) => rows.findLastIndex((other) => other.file_id === row.file_id) === i);
  for (const row of newest) transaction.xadd(`,
      },
    ],
  },
  {
    id: 'remembers-what-was-sent',
    defect:
      'what was sent once is passed over, also when a crash of the database took its mark back: the oldest rows are then in the way of all others',
    services: ['admin'],
    caughtBy: ['PUB-05/crashed'],
    edits: [
      {
        file: RELAY,
        find: '  let woken = false;\n',
        replace: '  let woken = false;\n  const sent = new Set<string>();\n',
      },
      {
        file: RELAY,
        find: 'await session.next(published);',
        replace: '(await session.next(published)).filter(({ seq }) => !sent.has(String(seq)));',
      },
      {
        file: RELAY,
        find: '        published = rows;\n',
        replace: '        published = rows;\n        for (const { seq } of rows) sent.add(String(seq));\n',
      },
      // However few marks the crash took back.
      { file: OUTBOX, find: 'const BATCH_ROWS_MAX = 200;', replace: 'const BATCH_ROWS_MAX = 20;' },
    ],
  },
  {
    id: 'everybody-publishes',
    defect: 'two publishers both send the pending events',
    services: ['admin'],
    caughtBy: ['PUB-06/killed', 'SOAK-01'],
    aims: ['two-publishers'],
    edits: [
      {
        file: OUTBOX,
        find: "'SELECT pg_try_advisory_lock($1) AS leads'",
        replace: "'SELECT $1::int IS NOT NULL AS leads'",
      },
    ],
  },
  {
    id: 'asks-to-lead-only-once',
    defect: 'an instance that does not publish when it starts never does',
    services: ['admin'],
    caughtBy: ['PUB-06/killed', 'PUB-06/paused'],
    edits: [
      {
        file: RELAY,
        find: '        if (session !== undefined) {\n',
        replace: '        if (session === undefined) return;\n        if (session !== undefined) {\n',
      },
    ],
  },
  {
    id: 'sends-what-it-has-in-hand',
    defect: 'a publisher that was replaced while it was suspended sends what it had read before',
    services: ['admin'],
    caughtBy: ['PUB-06/paused'],
    edits: [
      {
        file: RELAY,
        find: 'while (session.alive && performance.now() - ledAtMs > LEADING_FOR_MS) {',
        replace: 'while (false as boolean) {',
      },
      { file: RELAY, find: '      if (!session.alive) return;\n', replace: '' },
      // Else what it had read would be dropped for coming so late.
      {
        file: OUTBOX,
        find: '{ ...options, pipeline: true }',
        replace: '{ ...options, pipeline: true, queryTimeoutMs: 60_000 }',
      },
    ],
  },
  {
    id: 'no-poll',
    defect: 'the relay only waits to be woken within its own process',
    services: ['admin'],
    caughtBy: ['PUB-07'],
    edits: [
      {
        file: RELAY,
        find: 'await pause(options.pollMs, wakeUp.signal);',
        replace: 'await pause(2 ** 30, wakeUp.signal);',
      },
      { file: OUTBOX, find: 'SET idle_session_timeout = 5000;', replace: 'SET idle_session_timeout = 0;' },
    ],
  },
  {
    id: 'listens-only',
    defect: 'the relay is woken by NOTIFY alone, and does not listen again after its connection was ended',
    services: ['admin'],
    caughtBy: ['PUB-07'],
    edits: [
      {
        file: RELAY,
        find: 'await pause(options.pollMs, wakeUp.signal);',
        replace: 'await pause(2 ** 30, wakeUp.signal);',
      },
      { file: OUTBOX, find: 'SET idle_session_timeout = 5000;', replace: 'SET idle_session_timeout = 0;' },
      {
        file: 'services/admin/main.ts',
        find: '    started = true;\n',
        replace: `    started = true;
    await pool.query(\`CREATE OR REPLACE FUNCTION announce() RETURNS trigger LANGUAGE plpgsql
      AS 'BEGIN PERFORM pg_notify(''outbox'', ''''); RETURN NULL; END'\`);
    await pool.query('CREATE OR REPLACE TRIGGER announce AFTER INSERT ON outbox EXECUTE FUNCTION announce()');
    const { default: pg } = await import('pg');
    const listener = new pg.Client({ connectionString: config.DATABASE_URL });
    listener.on('notification', () => relay?.wake());
    listener.on('error', () => {});
    await listener.connect();
    await listener.query('LISTEN outbox');
`,
      },
    ],
  },
  {
    id: 'no-stream-limit',
    defect: 'the stream is never trimmed',
    services: ['admin'],
    caughtBy: ['PUB-08'],
    edits: [
      {
        file: RELAY,
        find: "transaction.xadd(streamName, 'MAXLEN', '~', streamEntriesMax, '*', ...eventFields(row));",
        replace: "transaction.xadd(streamName, '*', ...eventFields(row)); void streamEntriesMax;",
      },
    ],
  },
];
