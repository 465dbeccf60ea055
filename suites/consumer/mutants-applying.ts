import type { Edit, Mutant } from '../mutants/mutant.ts';

/**
 * In place of an upsert: two statements, with a moment between them.
 * @param seconds how long that moment is for a first version; later ones wait longer, in proportion
 */
const olderRowsMakeWay = (seconds: number): Edit => ({
  file: 'services/query/apply.ts',
  find: 'upserts.length === 0 ? undefined : client.query(upsertStatement(upserts)),',
  replace: `upserts.length === 0 ? undefined : client.query({
        text: 'DELETE FROM file_metadata_cache AS cached USING unnest($1::uuid[], $2::bigint[]) AS event (id, version) WHERE cached.id = event.id AND cached.version < event.version',
        values: [upserts.map(({ id }) => id), upserts.map(({ version }) => version)],
      }).then(() => client.query('SELECT pg_sleep(${seconds} * $1)', [upserts[0]?.version ?? 1])).then(() => client.query(upsertStatement(upserts))),`,
});
const INSERT = { file: 'services/query/apply.ts', find: "name: 'upsert-files', text: UPSERT" } as const;

/** What can be wrong with how events become rows, whatever is delivered, and how often. */
export const APPLYING_MUTANTS: readonly Mutant[] = [
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
    defect: 'a tombstone rejects only events that have a version',
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
    defect: 'an update of a file that does not exist yet changes nothing',
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
      olderRowsMakeWay(0.1),
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
    defect: 'a repeated event adds its tags again',
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
    id: 'looks-then-inserts',
    defect: 'whether a row exists is checked before it is inserted: of two consumers one violates its key',
    services: ['query'],
    caughtBy: ['CON-12/colliding'],
    edits: [
      // Long enough for the other consumer to come meanwhile, on a busy machine, too.
      olderRowsMakeWay(0.3),
      {
        ...INSERT,
        replace: `name: 'upsert-files', text: UPSERT.replace(/ORDER BY event\\.id[^]*/,
      'AND NOT EXISTS (SELECT FROM file_metadata_cache AS present WHERE present.id = event.id)')`,
      },
    ],
  },
];
