import type { Redis } from 'ioredis';
import { EVENT_STREAM_NAME, READ_MODEL_TABLE } from '../contract/names.ts';
import { wallMs } from '../core/clock.ts';
import type { Recorder } from '../record/writer.ts';
import type { Hops } from './visibility.ts';

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
