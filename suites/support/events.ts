import { EVENT_STREAM_NAME } from '../../harness/contract/names.ts';
import type { CaseContext } from './case.ts';

type Redis = CaseContext['redis'];

/** One entry of the event stream, its flat field list folded into an object. */
export interface StreamEntry {
  id: string;
  fields: Record<string, string>;
}

/** The id of the stream's last entry, `0` when there is none. */
export async function lastEventId(redis: Redis): Promise<string> {
  const [entry] = await redis.xrevrange(EVENT_STREAM_NAME, '+', '-', 'COUNT', 1);
  return entry?.[0] ?? '0';
}

/** The entries of one file, or of several, after `afterId`, in the stream's order. */
export async function eventsOf(
  redis: Redis,
  fileIds: string | readonly string[],
  afterId: string,
): Promise<StreamEntry[]> {
  const wanted = new Set([fileIds].flat());
  const entries = await redis.xrange(EVENT_STREAM_NAME, `(${afterId}`, '+');
  return entries
    .map(([id, flat]) => ({ id, fields: fold(flat) }))
    .filter(({ fields }) => wanted.has(fields.file_id ?? ''));
}

function fold(flat: readonly string[]): Record<string, string> {
  const fields: Record<string, string> = {};
  for (let i = 0; i + 1 < flat.length; i += 2) fields[flat[i] ?? ''] = flat[i + 1] ?? '';
  return fields;
}
