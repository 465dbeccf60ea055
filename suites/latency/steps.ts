import {
  connectPostgres,
  connectRedis,
  describeError,
  isOwn,
  measureFloor,
  quantileOf,
  startOpenLoop,
  summarize,
  syncLatency,
  visibilitySamples,
} from '../../harness/index.ts';
import type { CaseContext } from '../runner/case.ts';
import { demand } from '../steps/violation.ts';

export const UPLOADS_PER_SECOND = 100;
const SEARCHES_PER_SECOND = 20;
const FLOOR_EVENTS = 200;

/** What a target lets be seen of its servers. The thresholds are about the outside: they hold without it. */
interface Inside extends AsyncDisposable {
  /** A connection that may block. */
  reader: ReturnType<typeof connectRedis>;
  readModel: ReturnType<typeof connectPostgres>;
}

export async function openInside({ env }: CaseContext): Promise<Inside | undefined> {
  if (!env.capabilities.has('redis') || !env.capabilities.has('postgres')) return undefined;
  await using resources = new AsyncDisposableStack();
  const reader = resources.adopt(connectRedis(env.redisAddress()), (redis) => redis.disconnect());
  const readModel = resources.adopt(connectPostgres(env.databaseAccess('query')), (pool) => pool.end());
  const owned = resources.move();
  return { reader, readModel, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** The bare loop beside it, on the target's own servers; where those do not allow it, the figure is missing. */
export async function floorOf(t: CaseContext, { reader, readModel }: Inside): Promise<number[]> {
  const { env, recorder, redis, evidence, signal } = t;
  recorder.record({ type: 'phase', phase: 'floor' });
  const floor = { publisher: redis, reader, readModel, recorder, signal };
  try {
    return await measureFloor({ ...floor, ratePerSecond: UPLOADS_PER_SECOND, count: FLOOR_EVENTS });
  } catch (error) {
    if (isOwn(env) || signal.aborted) throw error;
    evidence['bare loop'] = `not measured: ${describeError(error)}`;
    return [];
  }
}

/** How soon after its start was asked for a fresh pipeline takes an upload: its start, a token, the upload. */
export async function recordFirstUpload({ env, pipeline, recorder, evidence, unique }: CaseContext): Promise<void> {
  const askedAt = recorder.now();
  const answer = await pipeline.upload({ filename: `${unique}-first.txt`, content: Buffer.from('first') });
  demand(answer.outcome === 'ok', `The first upload was answered ${answer.status ?? answer.error}`);
  const value = Math.round(env.readyMs + answer.endedAt - askedAt);
  recorder.record({ type: 'figure', name: 'start-to-first-accepted-upload-ms', value, unit: 'ms' });
  evidence['start to first upload (ms)'] = value;
}

/** Searches beside the uploads, each timed from when it was due. */
export function startSearches({ pipeline, recorder, unique, signal }: CaseContext): { stop(): Promise<number[]> } {
  const tookMs: number[] = [];
  const loop = startOpenLoop({
    recorder,
    ratePerSecond: SEARCHES_PER_SECOND,
    signal,
    act: async (index, dueAt) => {
      const query = `${unique}-1-${String(index).padStart(6, '0')}`;
      const answer = await pipeline.search({ query, mode: 'partial', limit: 10 }, { intendedAt: dueAt });
      demand(answer.status === 200, `A search under load was answered ${answer.status ?? answer.error}`);
      tookMs.push(answer.endedAt - dueAt);
    },
  });
  return {
    async stop() {
      await loop.stop();
      return tookMs;
    },
  };
}

const ROUNDS_MAX = 3;

/**
 * Measures once, and again while the verdict is neither pass nor fail: a disk or a machine that stood still for a moment
 * leaves too few samples that tell. Every sample counts, and a broken threshold is not measured away.
 * @returns how often it measured
 */
export async function untilDecided(
  measure: (round: number) => Promise<void>,
  verdicts: () => readonly ('pass' | 'fail' | 'inconclusive')[],
): Promise<number> {
  for (let round = 1; ; round++) {
    await measure(round);
    const seen = verdicts();
    if (round === ROUNDS_MAX || seen.includes('fail') || !seen.includes('inconclusive')) return round;
  }
}

/** Puts the figures into the evidence and the history, each with what it rests on. */
export function report(
  { records, recorder, evidence }: CaseContext,
  measured: { uploadMs: readonly number[]; searchMs: readonly number[]; floorMs: readonly number[] },
): void {
  const baseline = visibilitySamples(records).filter(({ phase }) => phase === 'baseline');
  const intended = summarize(baseline.map((sample) => syncLatency(sample, 'intended')));
  const accepted = summarize(baseline.map((sample) => syncLatency(sample, 'accepted')));
  const resolution = `n=${intended.n}, ${intended.censored} censored, resolution ${intended.resolutionMs} ms`;
  evidence.resolutionMs = intended.resolutionMs ?? 'unknown';
  evidence.censored = intended.censored;
  const figures: [string, number | null, string][] = [
    ...(['p50', 'p95', 'p99'] as const).flatMap((name): [string, number | null, string][] => [
      [`sync-${name}-ms`, intended[name].highMs, `due → seen, upper bound; ${resolution}`],
      [`sync-accepted-${name}-ms`, accepted[name].highMs, `accepted → seen, upper bound; ${resolution}`],
    ]),
    ...[0.5, 0.95, 0.99].flatMap((share): [string, number | null, string][] => [
      [`upload-p${share * 100}-ms`, quantile(measured.uploadMs, share), `due → 201; n=${measured.uploadMs.length}`],
      [
        `bare-loop-p${share * 100}-ms`,
        quantile(measured.floorMs, share),
        `XADD due → row; n=${measured.floorMs.length}`,
      ],
    ]),
    ['search-p95-ms', quantile(measured.searchMs, 0.95), `due → 200; n=${measured.searchMs.length}`],
  ];
  for (const [name, value, detail] of figures) {
    if (value === null || !Number.isFinite(value)) continue;
    recorder.record({ type: 'figure', name, value: Math.round(value * 10) / 10, unit: 'ms', detail });
    if (name.startsWith('sync-p')) evidence[name] = Math.round(value * 10) / 10;
  }
}

export function quantile(values: readonly number[], share: number): number {
  const { highMs } = quantileOf(
    values.map((ms) => ({ lowMs: ms, highMs: ms })),
    share,
  );
  return highMs ?? Number.NaN;
}
