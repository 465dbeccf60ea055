import type { Redis } from 'ioredis';
import { CONSUMER_GROUP, EVENT_STREAM_NAME, READ_MODEL_TABLE } from '../../services/contract/names.ts';
import { pollUntil, wallMs } from '../core/time.ts';
import type { Recorder } from '../record/writer.ts';
import type { Hops } from './visibility.ts';

export interface StreamState {
  length: number;
  lastId: string;
  entriesAdded: number;
}

export interface GroupState {
  consumers: number;
  pending: number;
  lastDeliveredId: string;
  /** Null where Redis cannot tell; never proof of health: it lies after trimming. */
  lag: number | null;
}

/** XINFO's flat list of names and values as an object. */
function fold(flat: unknown): Record<string, unknown> {
  const list = Array.isArray(flat) ? flat : [];
  const object: Record<string, unknown> = {};
  for (let i = 0; i + 1 < list.length; i += 2) object[String(list[i])] = list[i + 1];
  return object;
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && error.message.includes('no such key');
}

/** XINFO STREAM; undefined while the stream does not exist. */
async function streamState(redis: Redis, stream = EVENT_STREAM_NAME): Promise<StreamState | undefined> {
  try {
    const info = fold(await redis.xinfo('STREAM', stream));
    return {
      length: Number(info.length),
      lastId: String(info['last-generated-id']),
      entriesAdded: Number(info['entries-added'] ?? info.length),
    };
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/** XINFO GROUPS of one group; undefined while the stream or the group does not exist. */
export async function groupState(
  redis: Redis,
  { stream = EVENT_STREAM_NAME, group = CONSUMER_GROUP }: { stream?: string; group?: string } = {},
): Promise<GroupState | undefined> {
  try {
    const groups = (await redis.xinfo('GROUPS', stream)) as unknown[];
    const info = groups.map(fold).find(({ name }) => name === group);
    if (info === undefined) return undefined;
    return {
      consumers: Number(info.consumers),
      pending: Number(info.pending),
      lastDeliveredId: String(info['last-delivered-id']),
      lag: info.lag === null || info.lag === undefined ? null : Number(info.lag),
    };
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/** One entry that a consumer of the group was given and has not acknowledged. */
export interface PendingEntry {
  id: string;
  consumer: string;
  idleMs: number;
  deliveries: number;
}

/** The pending entries list from one id to another, in the stream's order (XPENDING, extended form). */
export async function pendingEntries(
  redis: Redis,
  { from = '-', to = '+', countMax = 10_000 }: { from?: string; to?: string; countMax?: number } = {},
): Promise<PendingEntry[]> {
  const list = (await redis.xpending(EVENT_STREAM_NAME, CONSUMER_GROUP, from, to, countMax)) as [
    string,
    string,
    number,
    number,
  ][];
  return list.map(([id, consumer, idleMs, deliveries]) => ({ id, consumer, idleMs, deliveries }));
}

export interface ConsumerState {
  name: string;
  /** For how long it was given no entry, in ms. */
  quietMs: number;
}

/** The group's consumers (XINFO CONSUMERS). Before Redis 7.2 there is no `inactive`, and `idle` says the same. */
export async function consumerStates(redis: Redis): Promise<ConsumerState[]> {
  const consumers = (await redis.xinfo('CONSUMERS', EVENT_STREAM_NAME, CONSUMER_GROUP)) as unknown[];
  return consumers
    .map(fold)
    .map(({ name, idle, inactive }) => ({ name: String(name), quietMs: Number(inactive ?? idle) }));
}

/** Entries delivered to the group and not acknowledged (XPENDING). */
export async function pendingCount(redis: Redis): Promise<number> {
  return (await groupState(redis))?.pending ?? 0;
}

/**
 * Waits until the group has been given the stream's last entry and has acknowledged everything.
 * @throws DeadlineError with the last state seen
 */
export async function awaitDrained(
  redis: Redis,
  { timeoutMs, signal }: { timeoutMs: number; signal?: AbortSignal },
): Promise<void> {
  await pollUntil(
    async () => {
      const [stream, group] = await Promise.all([streamState(redis), groupState(redis)]);
      if (stream === undefined || stream.lastId === '0-0') return true;
      if (group !== undefined && group.pending === 0 && group.lastDeliveredId === stream.lastId) return true;
      throw new Error(
        group === undefined
          ? 'the consumer group does not exist'
          : `${group.pending} pending, delivered up to ${group.lastDeliveredId} of ${stream.lastId}`,
      );
    },
    { what: 'the event stream to be drained', timeoutMs, signal },
  );
}

/** What a hop needs of a PostgreSQL client. */
interface Queryable {
  query(text: string, values: unknown[]): Promise<{ rows: { id: string; ms: number }[] }>;
}

const PAGE = 1000;

/**
 * When the first event of each file was added to the stream (from the entry's id, to the millisecond) and when its row
 * was last written to the read model (`cache_updated_at`), as run times. Rests on servers and harness sharing a clock.
 */
export function hopSource(sources: {
  redis: Redis;
  readModel: Queryable;
  recorder: Recorder;
}): (fileIds: readonly string[]) => Promise<ReadonlyMap<string, Hops>> {
  return async (fileIds) => {
    const { redis, readModel, recorder } = sources;
    const toRunTime = recorder.now() - wallMs();
    const hops = new Map<string, Hops>(fileIds.map((id) => [id, {}]));
    let from = '-';
    for (;;) {
      const entries = await redis.xrange(EVENT_STREAM_NAME, from, '+', 'COUNT', PAGE);
      for (const [id, fields] of entries) {
        const fileId = fields[fields.indexOf('file_id') + 1] ?? '';
        const hop = hops.get(fileId);
        if (hop !== undefined && hop.xadd === undefined) hop.xadd = Number(id.split('-', 1)[0]) + toRunTime;
      }
      const last = entries.at(-1);
      if (last === undefined || entries.length < PAGE) break;
      from = `(${last[0]}`;
    }
    const { rows } = await readModel.query(
      `SELECT id, extract(epoch FROM cache_updated_at)::float8 * 1000 AS ms FROM ${READ_MODEL_TABLE} WHERE id = ANY($1::uuid[])`,
      [[...hops.keys()]],
    );
    for (const { id, ms } of rows) {
      const hop = hops.get(id);
      if (hop !== undefined) hop.rowCommitted = ms + toRunTime;
    }
    return hops;
  };
}
