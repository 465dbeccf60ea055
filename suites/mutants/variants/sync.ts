import type { Mutant } from '../mutant.ts';

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
    defect: 'the consumer makes its group when it connects, and never again',
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
        file: 'services/query/search-store.ts',
        find: String.raw`iso.replace(/(\.\d{3})000Z$/, '$1Z')`,
        replace: String.raw`iso.replace(/(\.\d{3})\d{3}Z$/, '$1Z')`,
      },
    ],
  },
];
