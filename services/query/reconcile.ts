import {
  BUCKET_OF,
  type BucketDigest,
  type BucketEntry,
  DIGEST_OF,
  type RegistryState,
  STATES_MAX,
} from '../../harness/contract/reconciliation.ts';
import type { Pool } from '../common/postgres.ts';
import { applyChanges } from './apply.ts';
import type { Change } from './events.ts';
import type { RegistryClient } from './registry-client.ts';

/** What a comparison came to. */
export interface Reconciled {
  differingBuckets: number;
  /** Files whose state was taken over from the registry, deletions included. */
  repaired: number;
  /** Rows that the registry knows nothing of. */
  removed: number;
}

const LOCK_TIMEOUT_MS = 1000;
/**
 * A row of which the registry knows nothing goes only when it is older than this: it may come from a plain producer that
 * registers later than it publishes.
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
 * @throws what kept it from comparing or from taking over all that differs
 */
export async function reconcile(pool: Pool, registry: RegistryClient, signal: AbortSignal): Promise<Reconciled> {
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
