import { setTimeout as sleep } from 'node:timers/promises';
import {
  connectPostgres,
  connectRedis,
  describeError,
  evaluateThreshold,
  hopSource,
  InconclusiveError,
  isOwn,
  measureFloor,
  parseThreshold,
  quantileOf,
  runSyncLoad,
  type SyncLoad,
  startOpenLoop,
  summarize,
  syncLatency,
  VisibilityTracker,
  visibilitySamples,
} from '../../harness/index.ts';
import type { CaseContext } from '../runner/case.ts';
import { suite } from '../runner/suite.ts';
import { watchMachine } from '../steps/machine-share.ts';
import { registration } from '../steps/registrations.ts';
import { demand } from '../steps/violation.ts';
import { LATENCY } from './requirements.ts';

// What is measured is measured on a real disk, with fsync.
const verify = suite(LATENCY, { storage: 'disk' });

verify(
  'LAT-01',
  'Sync latency at 100 uploads/s, upload time and search time stay within their thresholds.',
  keepsThresholdsUnderLoad,
);
verify('LAT-02', 'A write after a pause of some seconds is searchable as soon as one under load.', isQuickAfterPause);

const UPLOADS_PER_SECOND = 100;
const WARM_UP_UPLOADS = 150;
const BASELINE_UPLOADS = 500;
const SEARCHES_PER_SECOND = 20;
const FLOOR_EVENTS = 200;
/** What is not visible by then is counted as censored. */
const VISIBLE_TIMEOUT_MS = 5000;

const SYNC_THRESHOLDS = [
  'sync_latency{phase=baseline}: p(95)<500ms n>=300',
  'sync_latency{phase=baseline}: max<5s n>=300',
].map(parseThreshold);

const UPLOAD_P95_MS_MAX = 500;
const SEARCH_P95_MS_MAX = 500;
/** The original's limit for every single search. */
const SEARCH_MS_MAX = 1000;

async function keepsThresholdsUnderLoad(t: CaseContext): Promise<void> {
  const { pipeline, recorder, evidence, unique, signal } = t;
  await using inside = await openInside(t);
  await recordFirstUpload(t);
  const load: Omit<SyncLoad, 'phase' | 'prefix' | 'count'> = {
    pipeline,
    recorder,
    ratePerSecond: UPLOADS_PER_SECOND,
    timeoutMs: VISIBLE_TIMEOUT_MS,
    hops: inside && hopSource({ ...inside, redis: t.redis, recorder }),
    signal,
  };
  // Recorded under its own phase: a reader sees it, no threshold counts it.
  await runSyncLoad({ ...load, phase: 'warm-up', prefix: `${unique}-warm`, count: WARM_UP_UPLOADS });

  const searches = startSearches(t);
  const baseline = await runSyncLoad({ ...load, phase: 'baseline', prefix: unique, count: BASELINE_UPLOADS });
  const searchMs = await searches.stop();
  demand(baseline.refused === 0, `${baseline.refused} uploads were refused, the first: ${baseline.firstError}`);

  const floorMs = inside === undefined ? [] : await floorOf(t, inside);
  evidence.samples = baseline.samples.length;
  evidence.searches = searchMs.length;
  report(t, { uploadMs: baseline.uploadMs, searchMs, floorMs });
  judgeThresholds(t, baseline.uploadMs, searchMs);
}

/** What a target lets be seen of its servers. The thresholds are about the outside: they hold without it. */
interface Inside extends AsyncDisposable {
  /** A connection that may block. */
  reader: ReturnType<typeof connectRedis>;
  readModel: ReturnType<typeof connectPostgres>;
}

async function openInside({ env }: CaseContext): Promise<Inside | undefined> {
  if (!env.capabilities.has('redis') || !env.capabilities.has('postgres')) return undefined;
  await using resources = new AsyncDisposableStack();
  const reader = resources.adopt(connectRedis(env.redisAddress()), (redis) => redis.disconnect());
  const readModel = resources.adopt(connectPostgres(env.databaseAccess('query')), (pool) => pool.end());
  const owned = resources.move();
  return { reader, readModel, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** The bare loop beside it, on the target's own servers; where those do not allow it, the figure is missing. */
async function floorOf(t: CaseContext, { reader, readModel }: Inside): Promise<number[]> {
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
async function recordFirstUpload({ env, pipeline, recorder, evidence, unique }: CaseContext): Promise<void> {
  const askedAt = recorder.now();
  const answer = await pipeline.upload({ filename: `${unique}-first.txt`, content: Buffer.from('first') });
  demand(answer.outcome === 'ok', `The first upload was answered ${answer.status ?? answer.error}`);
  const value = Math.round(env.readyMs + answer.endedAt - askedAt);
  recorder.record({ type: 'figure', name: 'start-to-first-accepted-upload-ms', value, unit: 'ms' });
  evidence['start to first upload (ms)'] = value;
}

/** Searches beside the uploads, each timed from when it was due. */
function startSearches({ pipeline, recorder, unique, signal }: CaseContext): { stop(): Promise<number[]> } {
  const tookMs: number[] = [];
  const loop = startOpenLoop({
    recorder,
    ratePerSecond: SEARCHES_PER_SECOND,
    signal,
    act: async (index, dueAt) => {
      const query = `${unique}-${String(index).padStart(6, '0')}`;
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

function judgeThresholds({ records, evidence }: CaseContext, uploadMs: readonly number[], searchMs: readonly number[]) {
  for (const threshold of SYNC_THRESHOLDS) {
    const { verdict, reason, n } = evaluateThreshold(threshold, records);
    const text = `${threshold.expression} (n=${n}): ${reason}`;
    demand(verdict !== 'fail', `Threshold broken: ${text}`);
    if (verdict !== 'pass') throw new InconclusiveError(`Threshold undecided: ${text}`);
  }
  const limits = [
    ['upload p95', quantile(uploadMs, 0.95), UPLOAD_P95_MS_MAX],
    ['search p95', quantile(searchMs, 0.95), SEARCH_P95_MS_MAX],
    ['slowest search', quantile(searchMs, 1), SEARCH_MS_MAX],
  ] as const;
  for (const [what, ms, max] of limits) {
    demand(ms < max, `Threshold broken: ${what} is ${ms.toFixed(1)} ms, not below ${max} ms`);
    evidence[`${what} (ms)`] = Math.round(ms * 10) / 10;
  }
}

/** Puts the figures into the evidence and the history, each with what it rests on. */
function report(
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

function quantile(values: readonly number[], share: number): number {
  const { highMs } = quantileOf(
    values.map((ms) => ({ lowMs: ms, highMs: ms })),
    share,
  );
  return highMs ?? Number.NaN;
}

const WRITES = 10;
/** Between two writes nothing happens for so long, in ms. */
const IDLE_MS = [1000, 7000] as const;

/**
 * A write that waits for a blocking read on its connection waits for half of the blocking time on average, and now and then
 * for all of it: both show in a few samples.
 */
const IDLE_THRESHOLD = parseThreshold('sync_latency{phase=idle}: p(50)<500ms n>=10');
/** Of each, not counting the machine's share. */
const IDLE_MS_MAX = 2000;

async function isQuickAfterPause(t: CaseContext): Promise<void> {
  const { env, pipeline, recorder, records, random, evidence, unique, signal } = t;
  await using machine = watchMachine(t, ['admin', 'query']);
  const tracker = new VisibilityTracker({ pipeline, recorder, timeoutMs: env.promises.syncMs, signal });
  recorder.record({ type: 'phase', phase: 'idle' });
  for (let i = 0; i < WRITES; i++) {
    await sleep(random.integer(...IDLE_MS), undefined, { signal });
    const body = registration(random.fork(`write ${i}`), { original_filename: `${unique}-${i}.txt` });
    const intendedAt = recorder.now();
    const answer = await pipeline.register({ ...body }, { intendedAt });
    demand(answer.outcome === 'ok', `Write ${i} was answered ${answer.status ?? answer.error}`);
    const { op, endedAt: acceptedAt } = answer;
    tracker.watch({ op, fileId: body.file_id, kind: 'created', phase: 'idle', intendedAt, acceptedAt });
  }
  await tracker.finish();
  const samples = visibilitySamples(records);
  const { n, p50, max, resolutionMs } = summarize(samples.map((sample) => syncLatency(sample, 'intended')));
  Object.assign(evidence, { samples: n, resolutionMs: resolutionMs ?? 'unknown' });
  Object.assign(evidence, { 'p50 (ms)': p50.highMs ?? 'censored', 'max (ms)': max.highMs ?? 'censored' });
  for (const { intendedAt, hitAt } of samples) {
    const seenAt = hitAt ?? Number.POSITIVE_INFINITY;
    const machineMs = machine.shareMs(intendedAt, seenAt);
    demand(
      seenAt - intendedAt - machineMs < IDLE_MS_MAX,
      `A write was searchable after ${(seenAt - intendedAt).toFixed(0)} ms, not within ${IDLE_MS_MAX} ms beyond the ${machineMs.toFixed(0)} ms of calls that need no server`,
    );
  }
  const { verdict, reason } = evaluateThreshold(IDLE_THRESHOLD, records);
  demand(verdict !== 'fail', `Threshold broken: ${IDLE_THRESHOLD.expression} (n=${n}): ${reason}`);
  if (verdict !== 'pass') throw new InconclusiveError(`Threshold undecided: ${IDLE_THRESHOLD.expression}: ${reason}`);
}
