import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { Pool } from 'pg';
import { READ_MODEL_TABLE } from '../contract/names.ts';
import type { Recorder } from '../record/writer.ts';
import { startOpenLoop } from './load.ts';

export interface FloorOptions {
  /** Two connections of their own: one blocks. */
  publisher: Redis;
  reader: Redis;
  readModel: Pool;
  recorder: Recorder;
  ratePerSecond: number;
  count: number;
  signal?: AbortSignal;
}

const BLOCK_MS = 1000;
const BATCH = 500;

/**
 * The least that any such pipeline must do: XADD, XREADGROUP, one upsert of many rows, XACK, with a table that has the
 * read model's columns and indexes. What the pipeline's sync latency is compared with, measured in the same run.
 * @returns for each event the time from when its XADD was due until its row was committed, in ms
 */
export async function measureFloor(options: FloorOptions): Promise<number[]> {
  const { publisher, reader, readModel, recorder } = options;
  const name = `syncproof_floor_${randomUUID().replaceAll('-', '')}`;
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(async () => {
    await publisher.del(name);
    await readModel.query(`DROP TABLE IF EXISTS ${name}`);
  });
  await readModel.query(`CREATE TABLE ${name} (LIKE ${READ_MODEL_TABLE} INCLUDING ALL)`);
  await publisher.xgroup('CREATE', name, 'floor', '0', 'MKSTREAM');

  const latenciesMs: number[] = [];
  const dueAt = new Map<string, number>();
  const consuming = (async () => {
    while (latenciesMs.length < options.count && options.signal?.aborted !== true) {
      const answer = await reader.xreadgroup(
        'GROUP',
        'floor',
        'one',
        'COUNT',
        BATCH,
        'BLOCK',
        BLOCK_MS,
        'STREAMS',
        name,
        '>',
      );
      const entries = entriesOf(answer);
      if (entries.length === 0) continue;
      const ids = entries.map(({ fields }) => fields[1] ?? '');
      await readModel.query(upsert(name), [ids]);
      const committedAt = recorder.now();
      for (const id of ids) latenciesMs.push(committedAt - (dueAt.get(id) ?? committedAt));
      await reader.xack(name, 'floor', ...entries.map(({ id }) => id));
    }
  })();
  const publishing = startOpenLoop({
    ...options,
    act: async (_index, due) => {
      const id = randomUUID();
      dueAt.set(id, due);
      await publisher.xadd(name, 'MAXLEN', '~', 10_000, '*', 'file_id', id, 'metadata', '{}');
    },
  });
  await Promise.all([publishing.done, consuming]);
  return latenciesMs;
}

function upsert(table: string): string {
  return `INSERT INTO ${table} AS cached (id, version, filename, storage_filename, file_size, sha256_hash, storage_element_id,
      created_at, updated_at, cache_updated_at)
    SELECT id, 1, 'floor-' || id, id::text, 20, md5(id::text), 'storage-1', now(), now(), clock_timestamp()
    FROM unnest($1::uuid[]) AS event (id)
    ON CONFLICT (id) DO UPDATE SET version = excluded.version WHERE cached.version < excluded.version`;
}

function entriesOf(answer: unknown): { id: string; fields: string[] }[] {
  if (!Array.isArray(answer)) return [];
  return answer.flatMap(([, entries]: [string, [string, string[]][]]) =>
    entries.map(([id, fields]) => ({ id, fields })),
  );
}
