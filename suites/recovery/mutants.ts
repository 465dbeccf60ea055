import type { Edit, Mutant } from '../mutants/mutant.ts';

/** What was spoiled meanwhile is to be seen for longer than one read takes. */
const COMPARES_LATER: Edit = {
  file: 'services/query/reconciler.ts',
  find: 'const reasons = [...this.#due];',
  replace: 'const reasons = [...this.#due];\n    await pause(1500, signal);',
};

/** On a busy machine that of the boot may come after a loss, and would then mend what the variant overlooks. */
const COMPARES_NOTHING_AT_BOOT: Edit = {
  file: 'services/query/reconciler.ts',
  find: 'this.#due.add(reason);\n    this.#wake.abort();',
  replace: "if (reason !== 'boot') this.#due.add(reason);\n    this.#wake.abort();",
};

/** What can be wrong with what Redis or the read model lost. */
export const RECOVERY_MUTANTS: readonly Mutant[] = [
  {
    id: 'no-reconciliation',
    defect: 'nothing compares the read model with the registry',
    unrepaired: true,
    services: ['query'],
    caughtBy: [
      'REC-02/consumer-down',
      'REC-02/consumer-cut',
      'REC-03/snapshot',
      'REC-03/tail-cut',
      'REC-05/tail-unseen',
      'REC-06',
      'REC-07/emptied',
      'REC-07/restored',
      'PUB-08',
    ],
    edits: [],
  },
  {
    id: 'old-until-mended',
    defect: 'whatever is delivered last is written, and stays until the next comparison with the registry',
    services: ['query'],
    caughtBy: ['REC-03/snapshot'],
    edits: [
      { file: 'services/query/apply.ts', find: '\nWHERE CASE\n', replace: '\nWHERE true OR CASE\n' },
      COMPARES_LATER,
    ],
  },
  {
    id: 'risen-until-mended',
    defect: 'a deletion leaves no tombstone: what is delivered again is visible until the next comparison',
    services: ['query'],
    caughtBy: ['REC-03/snapshot'],
    edits: [
      {
        file: 'services/query/apply.ts',
        find: 'SELECT id, version, deleted_at FROM event ORDER BY id',
        replace: 'SELECT id, version, deleted_at FROM event WHERE false ORDER BY id',
      },
      COMPARES_LATER,
    ],
  },
  {
    id: 'compares-on-a-silent-connection',
    defect: 'the comparison keeps its connections, and waits for an answer on one as long as for the comparison itself',
    services: ['query'],
    caughtBy: ['REC-02/database-silent'],
    edits: [
      {
        file: 'services/query/reconciler.ts',
        find: 'const pool = connect();',
        replace: 'const pool = (Reconciler.kept ??= connect());',
      },
      {
        file: 'services/query/reconciler.ts',
        find: '  readonly #options: ReconcilerOptions;',
        replace: '  static kept: Pool | undefined;\n  readonly #options: ReconcilerOptions;',
      },
      { file: 'services/query/reconciler.ts', find: 'await closePool(pool, CLOSE_MS);', replace: '' },
      { file: 'services/query/reconciler.ts', find: 'const ANSWER_MS = 3000;', replace: 'const ANSWER_MS = 60_000;' },
      // The lock goes with the session; with one that is kept it has to be given back.
      {
        file: 'services/query/reconciler.ts',
        find: '      over.abort();',
        replace: "      over.abort();\n      await ask('SELECT pg_advisory_unlock_all()');",
      },
    ],
  },
  {
    id: 'comparison-never-ended',
    defect: 'the lock of a comparison whose connections are half-open is never released',
    services: ['query'],
    caughtBy: ['REC-02/comparing-silent'],
    edits: [
      {
        file: 'services/query/reconciler.ts',
        find: 'const UNHEARD_MS = 8000;',
        replace: 'const UNHEARD_MS = 0;',
      },
    ],
  },
  {
    id: 'gaps-overlooked',
    defect: 'neither a gap in the sequence of events nor a boot or a new group makes a comparison due',
    services: ['query'],
    caughtBy: ['REC-06'],
    edits: [
      {
        file: 'services/query/reconciler.ts',
        find: "if (this.#areLost(gaps)) this.#due.add('gap');",
        replace: 'this.#areLost(gaps);',
      },
      // The comparison at boot may be late, and would then find what the gap hides.
      {
        file: 'services/query/reconciler.ts',
        find: 'this.#due.add(reason);\n    this.#wake.abort();',
        replace: "if (reason === 'entries-trimmed') this.#due.add(reason);\n    this.#wake.abort();",
      },
    ],
  },
  {
    id: 'restart-overlooked',
    defect: 'neither a boot nor a new group nor another run of Redis makes a comparison due',
    services: ['query'],
    caughtBy: ['REC-02/consumer-cut', 'REC-03/tail-cut'],
    edits: [
      {
        file: 'services/query/consumer.ts',
        find: "if (await stream.ensureGroup()) onLoss('group-made');",
        replace: 'await stream.ensureGroup();',
      },
      {
        file: 'services/query/consumer.ts',
        find: "if (this.#identity !== undefined && identity !== this.#identity) onLoss('redis-changed');",
        replace: '',
      },
      COMPARES_NOTHING_AT_BOOT,
    ],
  },
  {
    id: 'failover-overlooked',
    defect: 'a server that was a replica meanwhile is treated as unchanged, and gaps are not looked for',
    services: ['query'],
    caughtBy: ['REC-05/tail-unseen'],
    edits: [
      {
        file: 'services/query/stream.ts',
        find: "return facts.join('/');",
        replace: 'return facts[0];',
      },
      {
        file: 'services/query/reconciler.ts',
        find: "if (this.#areLost(gaps)) this.#due.add('gap');",
        replace: 'this.#areLost(gaps);',
      },
      COMPARES_NOTHING_AT_BOOT,
    ],
  },
  {
    id: 'readonly-ends-the-loop',
    defect: 'the consumer stops for good when the server has become a replica',
    services: ['query'],
    caughtBy: ['REC-05/tail-seen', 'REC-05/tail-unseen'],
    edits: [
      {
        file: 'services/query/consumer.ts',
        find: "if (isReply(error, 'READONLY')) connection.reconnect('the server became a replica');",
        replace: "if (isReply(error, 'READONLY')) return;",
      },
    ],
  },
  {
    id: 'reconcile-without-deletions',
    defect: 'a comparison takes over creations and updates, never deletions',
    services: ['query'],
    caughtBy: ['REC-02/consumer-down', 'REC-06', 'REC-07/restored', 'SOAK-01'],
    aims: ['emptied-unread'],
    edits: [
      {
        file: 'services/query/reconciler.ts',
        find: 'await applyChanges(pool, states.map(toChange), { lockTimeoutMs: LOCK_TIMEOUT_MS });',
        replace: `await applyChanges(pool, states.filter((state) => state.metadata !== null).map(toChange), {
        lockTimeoutMs: LOCK_TIMEOUT_MS,
      });`,
      },
    ],
  },
  {
    id: 'reconcile-missing-files-only',
    defect: 'a comparison takes over files that are missing, not those that are older',
    services: ['query'],
    caughtBy: ['REC-02/consumer-down', 'REC-07/restored'],
    edits: [
      {
        file: 'services/query/reconciler.ts',
        find: 'return own === undefined || own.version < version ||',
        replace: 'return own === undefined ||',
      },
    ],
  },
  {
    id: 'group-recreated-at-end',
    defect: 'a group that was lost starts again at $: what arrived at the same moment is skipped',
    services: ['query'],
    caughtBy: ['REC-01/stream-deleted', 'REC-01/group-destroyed', 'REC-01/flushed'],
    unrepaired: true,
    edits: [
      {
        file: 'services/query/stream.ts',
        find: "this.names.group, '0', 'MKSTREAM'",
        replace: "this.names.group, '$', 'MKSTREAM'",
      },
    ],
  },
  {
    id: 'lost-group-ends-the-loop',
    defect: 'a consumer whose group is gone stops reading',
    services: ['query'],
    caughtBy: ['REC-01/stream-deleted', 'REC-01/group-destroyed', 'REC-01/flushed'],
    unrepaired: true,
    edits: [
      {
        file: 'services/query/consumer.ts',
        find: "if (failures === 1 && isReply(error, 'NOGROUP', 'UNBLOCKED')) continue;",
        replace: "if (isReply(error, 'NOGROUP', 'UNBLOCKED')) return;",
      },
    ],
  },
  {
    id: 'watermark-by-stream-id',
    defect: 'the consumer remembers the highest stream id and skips what is lower',
    services: ['query'],
    caughtBy: ['REC-04', 'SOAK-01'],
    aims: ['killed-while-holding'],
    unrepaired: true,
    edits: [
      {
        file: 'services/query/batch.ts',
        find: 'if (entry.fields === null) {',
        replace: `const seen = globalThis as { watermark?: number };
      const at = Number(entry.id.split('-')[0]);
      if (at < (seen.watermark ?? 0)) {
        outcome.done.push(entry.id);
        continue;
      }
      seen.watermark = at;
      if (entry.fields === null) {`,
      },
    ],
  },
  {
    id: 'updated-at-as-version',
    defect: 'the guard of the upsert compares updated_at instead of versions',
    services: ['query'],
    caughtBy: ['REC-08/clock-back'],
    edits: [
      {
        file: 'services/query/apply.ts',
        find: 'ELSE cached.version IS NULL OR excluded.version > cached.version',
        replace: 'ELSE excluded.updated_at >= cached.updated_at',
      },
    ],
  },
  {
    id: 'update-time-of-transaction-start',
    defect:
      'versions are read before the row is locked: of two updates at once the last commit may carry the lower one',
    services: ['admin'],
    caughtBy: ['REC-08/same-millisecond'],
    edits: [
      {
        file: 'services/admin/file-store.ts',
        find: "const set = ['version = version + 1',",
        replace: `const { rows: [before] } = await pool.query('SELECT version FROM files WHERE file_id = $1', [fileId]);
  const set = [\`version = \${Number(before?.version ?? 0) + 1}\`,`,
      },
    ],
  },
  {
    id: 'reaper-discards',
    defect: 'consumers that look dead are removed with all that they hold',
    services: ['query'],
    caughtBy: ['REC-09', 'SOAK-01'],
    aims: ['killed-while-holding'],
    unrepaired: true,
    edits: [
      {
        file: 'services/query/consumer.ts',
        find: "for (let cursor = '0-0'; !signal.aborted; ) {\n      const page",
        replace: `if (performance.now() >= this.#reapDueAt) {
      this.#reapDueAt = performance.now() + 1000;
      await removeDeadConsumers(stream, 0, log);
    }
    for (let cursor = '0-0'; !signal.aborted; ) {
      const page`,
      },
      {
        file: 'services/query/stream.ts',
        find: 'name !== consumer && name.startsWith(CONSUMER_NAME_PREFIX) && pending === 0 && idle >= idleMs,',
        replace: 'name !== consumer && name.startsWith(CONSUMER_NAME_PREFIX) && idle >= idleMs && pending >= 0,',
      },
      {
        file: 'services/query/stream.ts',
        find: 'if consumer[2] == ARGV[2] and consumer[4] == 0 then',
        replace: 'if consumer[2] == ARGV[2] then',
      },
    ],
  },
  {
    id: 'reaper-goes-by-idle-time',
    defect: 'a consumer that received nothing for a while is removed although it is connected',
    services: ['query'],
    caughtBy: ['REC-09'],
    edits: [
      {
        file: 'services/query/stream.ts',
        find: 'if (!connected.has(name) && (await stream.removeIdleConsumer(name)))',
        replace: 'if (connected.size > 0 && (await stream.removeIdleConsumer(name)))',
      },
    ],
  },
  {
    id: 'ends-at-once',
    defect: 'SIGTERM ends a service with its work in progress',
    services: ['admin', 'ingester'],
    caughtBy: ['RES-09/working'],
    edits: [
      {
        file: 'services/common/lifecycle.ts',
        find: 'await releaseAll(log, app, resources);',
        replace: 'void releaseAll;',
      },
    ],
  },
  {
    id: 'ends-with-an-error-code',
    defect: 'a service that receives SIGTERM exits with code 143',
    services: ['query'],
    caughtBy: ['RES-09/working'],
    edits: [{ file: 'services/common/lifecycle.ts', find: 'process.exit(0);', replace: 'process.exit(143);' }],
  },
  {
    id: 'publishes-before-it-ends',
    defect: 'admin exits only when everything was published',
    services: ['admin'],
    caughtBy: ['RES-09/redis-hangs'],
    edits: [
      {
        file: 'services/common/lifecycle.ts',
        find: 'const RELEASE_MS = 2500;',
        replace: 'const RELEASE_MS = 600_000;',
      },
      {
        file: 'services/admin/main.ts',
        find: 'resources.defer(async () => relay?.stop());',
        replace: `resources.defer(async () => {
    while ((await outboxBacklog(pool)).pending > 0) await new Promise((resolve) => setTimeout(resolve, 100));
    await relay?.stop();
  });`,
      },
    ],
  },
  {
    id: 'asks-the-database-before-it-ends',
    defect: 'query queries its database once more before it exits, however long that takes',
    services: ['query'],
    caughtBy: ['RES-09/postgres-hangs'],
    edits: [
      {
        file: 'services/common/lifecycle.ts',
        find: 'const RELEASE_MS = 2500;',
        replace: 'const RELEASE_MS = 600_000;',
      },
      {
        file: 'services/query/main.ts',
        find: '  resources.defer(() => closePool(pool));',
        replace: `  resources.defer(async () => {
    const { default: pg } = await import('pg');
    const last = new pg.Client({ connectionString: config.DATABASE_URL });
    await last.connect();
    await last.query('SELECT 1');
    await last.end();
  });`,
      },
    ],
  },
  {
    id: 'new-name-at-every-start',
    defect: 'a consumer takes a new name at every start, and the old ones are never removed',
    services: ['query'],
    caughtBy: ['RES-10'],
    edits: [
      { file: 'services/query/consuming.ts', find: 'address.port === 0 ?', replace: 'address.port >= 0 ?' },
      {
        file: 'services/query/consumer.ts',
        find: 'await removeDeadConsumers(stream,',
        replace: 'void removeDeadConsumers; void (stream,',
      },
    ],
  },
];
