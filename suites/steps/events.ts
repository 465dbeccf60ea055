import { DEAD_LETTER_STREAM_SUFFIX, EVENT_STREAM_NAME } from '../../services/contract/names.ts';
import type { CaseContext } from '../runner/case.ts';
import { eventually } from './eventually.ts';
import { demand } from './violation.ts';

type Redis = CaseContext['redis'];

/** One entry of the event stream, its flat field list folded into an object. */
export interface StreamEntry {
  id: string;
  fields: Record<string, string>;
}

/** The id of the stream's last entry, `0` when there is none. */
export async function lastEventId(redis: Redis, stream = EVENT_STREAM_NAME): Promise<string> {
  const [entry] = await redis.xrevrange(stream, '+', '-', 'COUNT', 1);
  return entry?.[0] ?? '0';
}

/** The entries after `afterId`, in the stream's order. */
export async function entriesAfter(redis: Redis, afterId: string, stream = EVENT_STREAM_NAME): Promise<StreamEntry[]> {
  const entries = await redis.xrange(stream, `(${afterId}`, '+');
  return entries.map(([id, flat]) => ({ id, fields: fold(flat) }));
}

/** The entries of one file, or of several, after `afterId`, in the stream's order. */
export async function eventsOf(
  redis: Redis,
  fileIds: string | readonly string[],
  afterId: string,
): Promise<StreamEntry[]> {
  const wanted = new Set([fileIds].flat());
  return (await entriesAfter(redis, afterId)).filter(({ fields }) => wanted.has(fields.file_id ?? ''));
}

/** Whether a stream's entry comes after another one, by their ids: `milliseconds-number`. */
export function isAfter(id: string, other: string): boolean {
  const [left, right] = [id, other].map((text) => text.split('-').map(Number));
  const [ms = 0, number = 0] = left ?? [];
  const [otherMs = 0, otherNumber = 0] = right ?? [];
  return ms === otherMs ? number > otherNumber : ms > otherMs;
}

/**
 * Waits until at least `count` entries of a file are on the stream after `afterId`, and gives all there are.
 * @throws Violation when there are fewer within the sync budget
 */
export function awaitEvents(
  { env, redis, signal }: CaseContext,
  fileId: string,
  afterId: string,
  count: number,
): Promise<StreamEntry[]> {
  const what = `${count} events of ${fileId} on the stream`;
  const probe = async (): Promise<StreamEntry[] | undefined> => {
    const entries = await eventsOf(redis, fileId, afterId);
    if (entries.length >= count) return entries;
    throw new Error(`there are ${entries.length}`);
  };
  return eventually(what, probe, { timeoutMs: env.limits.syncMs, signal });
}

function fold(flat: readonly string[]): Record<string, string> {
  const fields: Record<string, string> = {};
  for (let i = 0; i + 1 < flat.length; i += 2) fields[flat[i] ?? ''] = flat[i + 1] ?? '';
  return fields;
}

const DEAD_LETTERS = EVENT_STREAM_NAME + DEAD_LETTER_STREAM_SUFFIX;

/** The dead-letter stream from now on. */
export interface DeadLetters {
  /** What has come since, oldest first. */
  since(): Promise<StreamEntry[]>;
  /** @throws Violation when anything has come since */
  demandNone(when: string): Promise<void>;
}

/** Begins to watch the dead-letter stream: what is on it already is another case's. */
export async function watchDeadLetters({ redis }: CaseContext): Promise<DeadLetters> {
  const before = await lastEventId(redis, DEAD_LETTERS);
  const since = (): Promise<StreamEntry[]> => entriesAfter(redis, before, DEAD_LETTERS);
  return {
    since,
    async demandNone(when) {
      const letters = await since();
      const reason = letters[0]?.fields.error ?? 'without an error';
      demand(letters.length === 0, `${letters.length} events were dead-lettered ${when}, the first: ${reason}`);
    },
  };
}
