import type { Mutant } from '../mutants/mutant.ts';

/** What can be wrong with the way from a committed change to what search shows. */
export const SYNC_MUTANTS: readonly Mutant[] = [
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
    id: 'group-created-at-end',
    defect: 'the consumer group starts at $: what was written before it is skipped',
    unrepaired: true,
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
    defect: 'the consumer creates its group when it connects, and never again',
    unrepaired: true,
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
    unrepaired: true,
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
    id: 'update-ignores-name',
    defect: 'an update leaves the name as it was',
    services: ['admin'],
    caughtBy: ['SYNC-02'],
    edits: [
      {
        file: 'services/admin/file-store.ts',
        find: "const PLAIN_COLUMNS = [\n  'original_filename',",
        replace: 'const PLAIN_COLUMNS = [',
      },
    ],
  },
  {
    id: 'update-ignores-tags',
    defect: 'an update leaves the tags as they were',
    services: ['admin'],
    caughtBy: ['SYNC-02'],
    edits: [{ file: 'services/admin/file-store.ts', find: "  'tags',\n] as const;", replace: '] as const;' }],
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
    id: 'search-cuts-microseconds',
    defect: 'search cuts timestamps to milliseconds',
    services: ['query'],
    caughtBy: ['SYNC-02'],
    edits: [
      {
        file: 'services/query/search.ts',
        find: String.raw`iso.replace(/(\.\d{3})000Z$/, '$1Z')`,
        replace: String.raw`iso.replace(/(\.\d{3})\d{3}Z$/, '$1Z')`,
      },
    ],
  },
  {
    id: 'checksum-unique',
    defect: 'the read model keeps one row per checksum',
    services: [],
    caughtBy: ['SYNC-04'],
    edits: [],
    sql: { query: ['ALTER TABLE file_metadata_cache ADD UNIQUE (sha256_hash)'] },
  },
  {
    id: 'search-lists-content-once',
    defect: 'a search lists one of several files with the same content',
    services: ['query'],
    caughtBy: ['SYNC-04'],
    edits: [
      {
        file: 'services/query/search.ts',
        find: '  const total = Number(',
        replace: `  const seen = new Set<string>();
  const isFirst = ({ sha256_hash }: SearchHit) => !seen.has(sha256_hash) && seen.add(sha256_hash);
  results.splice(0, results.length, ...results.filter(isFirst));
  const total = Number(`,
      },
    ],
  },
  {
    id: 'deletion-takes-twins',
    defect: 'a deletion removes every file with the same content',
    services: ['query'],
    caughtBy: ['SYNC-04'],
    edits: [
      {
        file: 'services/query/apply.ts',
        find: 'WHERE cached.id = event.id AND (cached.version IS NULL',
        replace: `WHERE cached.sha256_hash = (SELECT sha256_hash FROM file_metadata_cache AS own WHERE own.id = event.id)
  AND (cached.version IS NULL`,
      },
    ],
  },
  {
    id: 'batch-at-once-without-guard',
    defect: 'the events of a batch are applied concurrently, each regardless of the row’s state',
    services: ['query'],
    caughtBy: ['SYNC-06'],
    edits: [
      { file: 'services/query/main.ts', find: 'connectionsMax: 1,', replace: 'connectionsMax: 10,' },
      {
        file: 'services/query/batch.ts',
        find: 'const { upserted, deleted } = await applyChanges(pool, changes, { lockTimeoutMs });',
        replace: `const results = await Promise.all(changes.map((change) => applyChanges(pool, [change], { lockTimeoutMs })));
    const [upserted, deleted] = [results.length, 0];`,
      },
      {
        file: 'services/query/apply.ts',
        find: 'ELSE cached.version IS NULL OR excluded.version > cached.version',
        replace: 'ELSE true',
      },
    ],
  },
  {
    id: 'batch-keeps-first-per-file',
    defect: 'of the events of one file in a batch the first is applied, not the last',
    services: ['query'],
    caughtBy: ['SYNC-06'],
    edits: [
      {
        file: 'services/query/events.ts',
        find: 'if (known === undefined || supersedes(change, known)) last.set',
        replace: 'if (known === undefined) last.set',
      },
    ],
  },
  {
    id: 'version-counted-before-the-lock',
    defect: 'parallel updates of a file count its version from what it was before any of them, so several get the same',
    services: ['admin'],
    caughtBy: ['SYNC-06'],
    edits: [
      {
        file: 'services/admin/file-store.ts',
        find: "const set = ['version = version + 1',",
        replace: "const set = ['version = (SELECT version + 1 FROM files WHERE file_id = $1)',",
      },
    ],
  },
  {
    id: 'by-id-cache-never-invalidated',
    defect: 'reads by id come from a cache that nothing invalidates',
    services: ['query'],
    caughtBy: ['SYNC-07'],
    edits: [
      {
        file: 'services/query/search.ts',
        find: '/** bigint comes as text. */',
        replace: `const known = new Map<string, SearchHit>();
/** bigint comes as text. */`,
      },
      {
        file: 'services/query/search.ts',
        find: 'return rows[0] === undefined ? undefined : toHit(rows[0], null);',
        replace: `if (rows[0] !== undefined && !known.has(id)) known.set(id, toHit(rows[0], null));
  return known.get(id);`,
      },
    ],
  },
  {
    id: 'by-id-from-two-caches',
    defect: 'reads by id come from one of two caches, one up to 200 ms old and one up to 700 ms',
    services: ['query'],
    caughtBy: ['SYNC-07'],
    edits: [
      {
        file: 'services/query/search.ts',
        find: '/** bigint comes as text. */',
        replace: `const caches = [new Map(), new Map()] as Map<string, { hit: SearchHit | undefined; until: number }>[];
let turn = 0;
/** bigint comes as text. */`,
      },
      {
        file: 'services/query/search.ts',
        find: "const { rows } = await pool.query<FileRow>({ name: 'find-file', text: FIND_FILE, values: [id] });",
        replace: `const maxAge = turn % 2 === 0 ? 200 : 700;
  const cache = caches[turn++ % 2] ?? new Map();
  const cached = cache.get(id);
  if (cached !== undefined && performance.now() < cached.until) return cached.hit;
  const { rows } = await pool.query<FileRow>({ name: 'find-file', text: FIND_FILE, values: [id] });
  const hit = rows[0] === undefined ? undefined : toHit(rows[0], null);
  cache.set(id, { hit, until: performance.now() + maxAge });`,
      },
    ],
  },
  {
    id: 'searches-from-two-caches',
    defect: 'searches come from one of two caches, one up to 200 ms old and one up to 700 ms',
    services: ['query'],
    caughtBy: ['SYNC-07'],
    edits: [
      {
        file: 'services/query/search.ts',
        find: '/** bigint comes as text. */',
        replace: `const caches = [new Map(), new Map()] as Map<string, { rows: PageRow[]; until: number }>[];
let turn = 0;
/** bigint comes as text. */`,
      },
      {
        file: 'services/query/search.ts',
        find: 'const { rows } = await pool.query<PageRow>(searchStatement(request));',
        replace: `const maxAge = turn % 2 === 0 ? 200 : 700;
  const cache = caches[turn++ % 2] ?? new Map();
  const key = JSON.stringify(request);
  const cached = cache.get(key);
  const isFresh = cached !== undefined && performance.now() < cached.until;
  const rows = isFresh ? cached.rows : (await pool.query<PageRow>(searchStatement(request))).rows;
  if (!isFresh) cache.set(key, { rows, until: performance.now() + maxAge });`,
      },
    ],
  },
  {
    id: 'deleted-file-served-from-memory',
    defect: 'a read by id that finds nothing is answered with what was last found',
    services: ['query'],
    caughtBy: ['SYNC-07'],
    edits: [
      {
        file: 'services/query/search.ts',
        find: '/** bigint comes as text. */',
        replace: `const known = new Map<string, SearchHit>();
/** bigint comes as text. */`,
      },
      {
        file: 'services/query/search.ts',
        find: 'return rows[0] === undefined ? undefined : toHit(rows[0], null);',
        replace: `if (rows[0] !== undefined) known.set(id, toHit(rows[0], null));
  return known.get(id);`,
      },
    ],
  },
  {
    id: 'by-id-cache-of-the-instance',
    defect: 'reads by id come from a cache of the instance, which forgets only what it applied itself',
    services: ['query'],
    caughtBy: ['SYNC-08'],
    edits: [
      {
        file: 'services/query/search.ts',
        find: '/** bigint comes as text. */',
        replace: `export const known = new Map<string, SearchHit>();
/** bigint comes as text. */`,
      },
      {
        file: 'services/query/search.ts',
        find: "const { rows } = await pool.query<FileRow>({ name: 'find-file', text: FIND_FILE, values: [id] });",
        replace: `const kept = known.get(id);
  if (kept !== undefined) return kept;
  const { rows } = await pool.query<FileRow>({ name: 'find-file', text: FIND_FILE, values: [id] });
  if (rows[0] !== undefined) known.set(id, toHit(rows[0], null));`,
      },
      {
        file: 'services/query/apply.ts',
        find: "    await client.query('COMMIT');",
        replace: `    await client.query('COMMIT');
    const { known } = await import('./search.ts');
    for (const { id } of last) known.delete(id);`,
      },
    ],
  },
  {
    id: 'counts-of-the-instance',
    defect: 'an instance counts the results of a search once and keeps reporting that count',
    services: ['query'],
    caughtBy: ['SYNC-08'],
    edits: [
      {
        file: 'services/query/search.ts',
        find: '/** bigint comes as text. */',
        replace: `const counts = new Map<string, number>();
/** bigint comes as text. */`,
      },
      {
        file: 'services/query/search.ts',
        find: 'const total = Number(rows[0]?.total_count ?? 0);',
        replace: `const key = JSON.stringify({ ...request, limit: 0, offset: 0, sort_by: '', sort_order: '' });
  const total = counts.get(key) ?? Number(rows[0]?.total_count ?? 0);
  counts.set(key, total);`,
      },
    ],
  },
  {
    id: 'read-model-emptied-at-boot',
    defect: 'an instance that starts begins with an empty read model',
    services: ['query'],
    caughtBy: ['SYNC-08'],
    edits: [
      {
        file: 'services/query/main.ts',
        find: 'const applied = await migrate(pool, MIGRATIONS);',
        replace: `const applied = await migrate(pool, MIGRATIONS);
    await pool.query('TRUNCATE file_metadata_cache');`,
      },
    ],
  },
];
