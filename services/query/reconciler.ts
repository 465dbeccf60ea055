import { setTimeout as sleep } from 'node:timers/promises';
import { backoffMs, pause } from '../common/backoff.ts';
import type { Log } from '../common/log.ts';
import { closePool, type Pool, withClient } from '../common/postgres.ts';
import {
  BUCKET_OF,
  type BucketDigest,
  type BucketEntry,
  DIGEST_OF,
  type RegistryState,
  STATES_MAX,
} from '../contract/reconciliation.ts';
import { applyChanges } from './apply.ts';
import type { Change } from './events.ts';
import type { ReconcileMetrics, ReconcileReason } from './metrics.ts';
import { NotOfferedError, type RegistryClient } from './registry-client.ts';
import type { SequenceLog, SequenceRange } from './sequence-log.ts';

/** Any number, as long as all instances use the same. */
const RECONCILE_LOCK = 7_240_313;
/** A lost lock session is detected long before the comparison itself would time out. */
const ANSWER_MS = 3000;
const SPEAK_EVERY_MS = 2000;
/** A server keeps the lock of a silent session for this long, instead of for ever. */
const UNHEARD_MS = 8000;

/**
 * Compares while no other instance does: the lock belongs to a session, which must stay active. The client closes a
 * half-open connection, but the server would keep its lock for hours; so the holder sends a statement periodically, and
 * the server ends a session that does not. The lock goes with the pool, which its owner ends.
 * @param work is abandoned, with its signal aborted, once the session is lost, or its result is no longer awaited
 * @returns whether it was this one's turn
 * @throws what the work throws, and the database's error when the lock was lost
 */
async function comparingAlone(
  pool: Pool,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<boolean> {
  return withClient(pool, async (holder) => {
    // Their types do not know of the limit.
    const ask = <Row extends object>(text: string, values: unknown[] = []): Promise<{ rows: Row[] }> => {
      const statement = { text, values, query_timeout: ANSWER_MS };
      return holder.query<Row>(statement);
    };
    const { rows } = await ask<{ mine: boolean }>(
      `SELECT set_config('idle_session_timeout', $2, false), pg_try_advisory_lock($1) AS mine`,
      [RECONCILE_LOCK, String(UNHEARD_MS)],
    );
    if (rows[0]?.mine !== true) return false;
    const over = new AbortController();
    const ended = AbortSignal.any([signal, over.signal]);
    const speaking = async (): Promise<void> => {
      while (true) {
        await sleep(SPEAK_EVERY_MS, undefined, { signal: ended });
        await ask('SELECT 1');
      }
    };
    try {
      await Promise.race([work(ended), speaking()]);
      return true;
    } finally {
      over.abort();
    }
  });
}

/** The result of a comparison. */
export interface Reconciled {
  differingBuckets: number;
  /** Files whose state was taken over from the registry, deletions included. */
  repaired: number;
  /** Rows that are unknown to the registry. */
  removed: number;
}

const LOCK_TIMEOUT_MS = 1000;
/**
 * A row that is unknown to the registry is removed only when it is older than this: it may come from a plain producer
 * that registers later than it publishes.
 */
const UNKNOWN_AFTER = '10 minutes';

/** Rows and, for files without one, their tombstones. */
const ENTRIES = `
  SELECT id, version, false AS deleted FROM file_metadata_cache
  UNION ALL
  SELECT id, version, true FROM file_tombstones AS tombstone
  WHERE NOT EXISTS (SELECT FROM file_metadata_cache AS cached WHERE cached.id = tombstone.id)`;

/**
 * Makes the read model what the registry is: digests by bucket, then the entries of the buckets that differ, then the
 * files that differ. Taken over by the same rules as events, so one that arrives meanwhile loses nothing. When nothing
 * differs it costs one digest on either side.
 * @throws the error that prevented the comparison or a repair
 */
async function reconcile(pool: Pool, registry: RegistryClient, signal: AbortSignal): Promise<Reconciled> {
  const [theirs, ours] = await Promise.all([registry.digests(), localDigests(pool)]);
  const buckets = differing(theirs, ours);
  const result: Reconciled = { differingBuckets: buckets.length, repaired: 0, removed: 0 };
  for (const bucket of buckets) {
    signal.throwIfAborted();
    const [entries, local] = await Promise.all([registry.entries(bucket), localEntries(pool, bucket)]);
    const { outdated, unknown } = compare(entries, local);
    for (let start = 0; start < outdated.length; start += STATES_MAX) {
      const states = await registry.states(outdated.slice(start, start + STATES_MAX));
      await applyChanges(pool, states.map(toChange), { lockTimeoutMs: LOCK_TIMEOUT_MS });
      result.repaired += states.length;
    }
    if (unknown.length > 0) result.removed += await removeUnknown(pool, unknown);
  }
  return result;
}

function differing(theirs: readonly BucketDigest[], ours: readonly BucketDigest[]): number[] {
  const text = ({ count, digest }: BucketDigest): string => `${count} ${digest}`;
  const [a, b] = [theirs, ours].map((digests) => new Map(digests.map((each) => [each.bucket, text(each)])));
  const buckets = new Set([...(a?.keys() ?? []), ...(b?.keys() ?? [])]);
  return [...buckets].filter((bucket) => a?.get(bucket) !== b?.get(bucket)).sort((x, y) => x - y);
}

/** A version that is newer here than there is of a change that the registry made after it was asked. */
function compare(
  theirs: readonly BucketEntry[],
  ours: readonly LocalEntry[],
): { outdated: string[]; unknown: string[] } {
  const local = new Map(ours.map((entry) => [entry.id, entry]));
  const outdated = theirs.filter(({ id, version, deleted }) => {
    const own = local.get(id);
    local.delete(id);
    return own === undefined || own.version < version || (own.version === version && own.deleted !== deleted);
  });
  const unknown = [...local.values()].filter(({ deleted }) => !deleted);
  return { outdated: outdated.map(({ id }) => id), unknown: unknown.map(({ id }) => id) };
}

interface LocalEntry {
  id: string;
  version: number;
  deleted: boolean;
}

async function localDigests(pool: Pool): Promise<BucketDigest[]> {
  const { rows } = await pool.query<BucketDigest>(
    `SELECT ${BUCKET_OF} AS bucket, count(*)::int AS count, ${DIGEST_OF} AS digest FROM (${ENTRIES}) AS entry GROUP BY 1`,
  );
  return rows;
}

async function localEntries(pool: Pool, bucket: number): Promise<LocalEntry[]> {
  const { rows } = await pool.query<LocalEntry>(
    `SELECT id, coalesce(version, 0)::int AS version, deleted FROM (${ENTRIES}) AS entry WHERE ${BUCKET_OF} = $1`,
    [bucket],
  );
  return rows;
}

function toChange({ id, version, deleted_at, metadata }: RegistryState): Change {
  if (metadata !== null) return { kind: 'upsert', id, version, metadata, sequence: null };
  return { kind: 'delete', id, version, deletedAt: deleted_at ?? new Date().toISOString(), sequence: null };
}

async function removeUnknown(pool: Pool, ids: readonly string[]): Promise<number> {
  const { rowCount } = await pool.query(
    `DELETE FROM file_metadata_cache
     WHERE id = ANY($1::uuid[]) AND cache_updated_at < clock_timestamp() - interval '${UNKNOWN_AFTER}'`,
    [ids],
  );
  return rowCount ?? 0;
}

export interface ReconcilerOptions {
  /**
   * Opens three connections for one comparison: those that lie idle until the next one, minutes later, may be
   * half-open.
   */
  connect: () => Pool;
  /** Undefined without an account at admin: gaps are detected and reported, not repaired. */
  registry: RegistryClient | undefined;
  sequences: SequenceLog;
  metrics: ReconcileMetrics;
  log: Log;
  intervalMs: number;
  signal: AbortSignal;
}

const LOOK_EVERY_MS = 500;
/** Numbers missing for longer count as lost: until then they may be in flight, or held by another instance. */
const GAP_PATIENCE_MS = 2000;
const RETRY = { ms: 500, msMax: 10_000 };
/** An abandoned statement that gets no answer times out later. */
const CLOSE_MS = 300;

/**
 * Detects lost events and repairs their effect, by comparing the read model with the registry.
 *
 * waiting: notes sequence numbers and looks for gaps, twice a second → comparing, when a reason is due and no other
 *   instance compares → waiting; after a failure the reasons stay due, and the next attempt is later.
 */
export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #due = new Set<ReconcileReason>();
  /** Gap → since when it is known. */
  readonly #gapsSince = new Map<string, number>();
  #intervalDueAt: number;
  #failures = 0;
  #notBefore = 0;
  #wake = new AbortController();

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    this.#intervalDueAt = performance.now() + jittered(options.intervalMs);
  }

  /** Something was lost, or may have been: compare soon. */
  request(reason: ReconcileReason): void {
    this.#due.add(reason);
    this.#wake.abort();
  }

  /** Runs until the signal aborts. Does not throw. */
  async run(): Promise<void> {
    const { signal, log } = this.#options;
    while (!signal.aborted) {
      try {
        await this.#look();
      } catch (error) {
        if (signal.aborted) return;
        this.#failures++;
        const pauseMs = backoffMs(this.#failures, RETRY);
        this.#notBefore = performance.now() + pauseMs;
        log.warn(
          { err: error, pauseMs: Math.round(pauseMs) },
          'the read model cannot be compared with the registry now',
        );
      }
      this.#wake = new AbortController();
      await pause(LOOK_EVERY_MS, AbortSignal.any([signal, this.#wake.signal]));
    }
  }

  async #look(): Promise<void> {
    const { sequences, metrics, registry } = this.#options;
    const gaps = await sequences.gaps();
    metrics.missing.set(gaps.reduce((sum, { from, to }) => sum + Number(to - from + 1n), 0));
    if (this.#areLost(gaps)) this.#due.add('gap');
    if (performance.now() >= this.#intervalDueAt) this.#due.add('interval');
    if (registry === undefined || this.#due.size === 0 || performance.now() < this.#notBefore) return;
    await this.#compare(registry, gaps);
  }

  #areLost(gaps: readonly SequenceRange[]): boolean {
    const now = performance.now();
    const names = new Set(gaps.map(({ from, to }) => `${from}-${to}`));
    for (const name of this.#gapsSince.keys()) if (!names.has(name)) this.#gapsSince.delete(name);
    for (const name of names) if (!this.#gapsSince.has(name)) this.#gapsSince.set(name, now);
    return [...this.#gapsSince.values()].some((since) => now - since >= GAP_PATIENCE_MS);
  }

  /** When another instance compares, this one tries again shortly. */
  async #compare(registry: RegistryClient, gaps: readonly SequenceRange[]): Promise<void> {
    const { connect, signal, log, intervalMs } = this.#options;
    const pool = connect();
    try {
      await comparingAlone(pool, signal, (alone) => this.#mend(pool, registry, gaps, alone));
    } catch (error) {
      if (!(error instanceof NotOfferedError)) throw error;
      // For now: it may also be a proxy before a registry that is just being started.
      this.#notBefore = performance.now() + jittered(intervalMs);
      log.warn({ err: error }, 'the registry offers no comparison: lost events are reported, not repaired');
    } finally {
      await closePool(pool, CLOSE_MS);
    }
  }

  async #mend(
    pool: Pool,
    registry: RegistryClient,
    gaps: readonly SequenceRange[],
    signal: AbortSignal,
  ): Promise<void> {
    const { sequences, metrics, log, intervalMs } = this.#options;
    const reasons = [...this.#due];
    // What is lost from here on may be lost after it was looked at: it makes another comparison due.
    this.#due.clear();
    const startedAt = performance.now();
    let reconciled: Reconciled;
    try {
      reconciled = await reconcile(pool, registry, signal);
      signal.throwIfAborted();
      await sequences.fill(gaps);
      await pool.query('UPDATE sync_state SET reconciled_at = clock_timestamp()');
    } catch (error) {
      for (const reason of reasons) this.#due.add(reason);
      throw error;
    }
    const { differingBuckets, repaired, removed } = reconciled;
    for (const reason of reasons) metrics.reconciliations.inc({ reason });
    metrics.repaired.inc(repaired + removed);
    this.#failures = 0;
    this.#intervalDueAt = performance.now() + jittered(intervalMs);
    const ms = Math.round(performance.now() - startedAt);
    const level = repaired + removed > 0 ? 'warn' : 'info';
    log[level]({ reasons, differingBuckets, repaired, removed, ms }, 'compared with the registry');
  }
}

/** ±10 %, so that instances do not all compare at once. */
function jittered(ms: number): number {
  return ms * (0.9 + Math.random() * 0.2);
}
