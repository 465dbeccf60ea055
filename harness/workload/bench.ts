import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { Pool } from 'pg';
import { READ_MODEL_TABLE } from '../../services/contract/names.ts';
import { createPipelineClient } from '../clients/pipeline.ts';
import { connectPostgres, connectRedis } from '../clients/servers.ts';
import type { Environment } from '../environment/common/environment.ts';
import type { Recorder } from '../record/writer.ts';
import { runSyncLoad, startOpenLoop } from './load.ts';
import { hopSource } from './stream.ts';

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

export interface BenchOptions {
  environment: Environment;
  recorder: Recorder;
  ratePerSecond: number;
  /** Samples of each kind in one round. */
  count: number;
  rounds: number;
  signal?: AbortSignal;
  onProgress?: (text: string) => void;
}

export interface Figures {
  n: number;
  p50: number;
  p95: number;
  p99: number;
  max: number;
}

export interface BenchRound {
  /** XADD due → row committed, of the bare loop. */
  floor: Figures;
  /** 201 → the first by-id read that shows the file was answered (the upper bound of the interval). */
  fromAccepted: Figures;
  /** Upload due → the same moment. */
  fromIntended: Figures;
  /** Upload due → 201. */
  upload: Figures;
  /** 201 → row committed by the database's clock, where seen. */
  rowCommitted: Figures | null;
  /** Median width of (last miss, first hit]: what the two sync figures may be too high by. */
  resolutionMs: number;
  censored: number;
}

export interface BenchResult {
  ratePerSecond: number;
  rounds: BenchRound[];
  /**
   * Pipeline over floor, from 201. `committed` compares like with like, by the servers' own clocks; `seen` has the reads
   * and their pauses in it.
   */
  ratios: { committed: Ratios; seen: Ratios };
}

/** One per round: the spread is in the list. Empty where the target does not let it be seen. */
export interface Ratios {
  p50: number[];
  p95: number[];
  p99: number[];
}

const WARM_UP = 200;

/** Sync latency against the bare loop, in alternating rounds of one run, so that both meet the same machine. */
export async function benchSync(options: BenchOptions): Promise<BenchResult> {
  const { environment, recorder, ratePerSecond, count, signal, onProgress = () => {} } = options;
  const common = { recorder, ratePerSecond, signal };
  await using stack = new AsyncDisposableStack();
  const pipeline = stack.use(
    createPipelineClient({ urls: environment.urls, accounts: environment.accounts, recorder }),
  );
  const redis = () => stack.adopt(connectRedis(environment.redisAddress()), (client) => client.disconnect());
  const [publisher, reader] = [redis(), redis()];
  const readModel = stack.adopt(connectPostgres(environment.databaseAccess('query')), (pool) => pool.end());
  const hops = hopSource({ redis: publisher, readModel, recorder });

  onProgress(`warm-up: ${WARM_UP} uploads`);
  await runSyncLoad({
    ...common,
    pipeline,
    prefix: 'bench-warm-up',
    phase: 'warm-up',
    count: WARM_UP,
    timeoutMs: 10_000,
  });
  await measureFloor({ ...common, publisher, reader, readModel, count: WARM_UP });

  const rounds: BenchRound[] = [];
  for (let round = 1; round <= options.rounds; round++) {
    onProgress(`round ${round} of ${options.rounds}: bare loop, ${count} events at ${ratePerSecond}/s`);
    const floor = await measureFloor({ ...common, publisher, reader, readModel, count });
    onProgress(`round ${round} of ${options.rounds}: pipeline, ${count} uploads at ${ratePerSecond}/s`);
    const prefix = `bench-${round}`;
    const load = await runSyncLoad({ ...common, pipeline, prefix, phase: 'bench', count, timeoutMs: 10_000, hops });
    const { samples } = load;
    const hit = samples.flatMap((sample) => (sample.hitAt === null ? [] : [{ ...sample, hitAt: sample.hitAt }]));
    const committed = samples.flatMap((sample) => sample.hops?.rowCommitted ?? []);
    const widths = hit.map(({ missAt, hitAt, acceptedAt }) => hitAt - (missAt ?? acceptedAt));
    rounds.push({
      floor: figures(floor),
      fromAccepted: figures(hit.map(({ hitAt, acceptedAt }) => hitAt - acceptedAt)),
      fromIntended: figures(hit.map(({ hitAt, intendedAt }) => hitAt - intendedAt)),
      upload: figures(load.uploadMs),
      rowCommitted: committed.length === 0 ? null : figures(committed),
      resolutionMs: figures(widths).p50,
      censored: samples.length - hit.length + load.refused,
    });
  }
  const over = (pick: (round: BenchRound) => Figures | null): Ratios => {
    const ratio = (name: keyof Ratios): number[] =>
      rounds.flatMap((round) => {
        const own = pick(round);
        return own === null ? [] : [own[name] / round.floor[name]];
      });
    return { p50: ratio('p50'), p95: ratio('p95'), p99: ratio('p99') };
  };
  const ratios = {
    committed: over(({ rowCommitted }) => rowCommitted),
    seen: over(({ fromAccepted }) => fromAccepted),
  };
  return { ratePerSecond, rounds, ratios };
}

/** Quantiles by nearest rank. */
function figures(values: readonly number[]): Figures {
  const sorted = values.toSorted((a, b) => a - b);
  const rank = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
  return { n: sorted.length, p50: rank(0.5), p95: rank(0.95), p99: rank(0.99), max: rank(1) };
}
