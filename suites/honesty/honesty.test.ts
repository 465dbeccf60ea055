import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Interval,
  monotonicMs,
  quantileOf,
  runSyncLoad,
  summarize,
  syncLatency,
  visibilitySamples,
} from '../../harness/index.ts';
import type { CaseContext } from '../runner/case.ts';
import { suite } from '../runner/suite.ts';
import { demand, demandEqual } from '../steps/violation.ts';
import { hitOf, type LocalAnswer, type LocalRequest, type LocalTarget, startLocalTarget } from './local-target.ts';
import { HONESTY } from './requirements.ts';

// These judge the harness, on the machine that it runs on: against a target that is known to the millisecond, because it
// lives in this process.
const verify = suite(HONESTY);

verify('HON-01', 'The harness is honest: a stall of 2 s under open-loop load shows in its p99.', showsStall);
verify(
  'HON-02',
  'The harness is honest: what it reports of a known delay is true within the resolution that it states.',
  tellsDelays,
);

const RATE = 100;
const FOLLOWED_MS = 20_000;
const STALL_MS = 2000;
/** Which upload meets the stall. */
const STALLED = 50;
const UPLOADS = 200;
const NOT_FOUND: LocalAnswer = { status: 404, body: { title: 'Not Found', status: 404 } };

async function showsStall({ evidence }: CaseContext): Promise<void> {
  await using open = await stallingTarget();
  await runSyncLoad({
    ...open,
    prefix: 'open',
    phase: 'baseline',
    ratePerSecond: RATE,
    count: UPLOADS,
    timeoutMs: FOLLOWED_MS,
  });
  const samples = visibilitySamples(open.recorder.records).map((sample) => syncLatency(sample, 'intended'));
  demandEqual(samples.length, UPLOADS, 'Samples, one for each upload');
  const p99 = quantileOf(samples, 0.99);

  // Who waits for each answer before the next request has one late answer, and the p99 leaves that one out.
  await using closed = await stallingTarget();
  const tookMs: number[] = [];
  for (let index = 0; index < UPLOADS; index++) {
    const { startedAt, endedAt } = await closed.pipeline.upload({ filename: 'a', content: Buffer.from('a') });
    tookMs.push(endedAt - startedAt);
  }
  const hidden = quantileOf(tookMs.map(exactly), 0.99);
  const stalled = tookMs.filter((ms) => ms >= STALL_MS).length;
  demandEqual(stalled, 1, `Uploads of a closed loop that met the stall of ${STALL_MS} ms`);

  Object.assign(evidence, { samples: samples.length, stallMs: STALL_MS });
  Object.assign(evidence, { 'open loop p99 (ms)': p99.lowMs ?? 0, 'closed loop p99 (ms)': hidden.highMs ?? 0 });
  // Of the uploads that are due in the stall's first 100 ms, ten, none can be answered before its end: five times as many
  // as the p99 of 200 leaves out, however busy the machine is. Timers may be early by a fraction of a millisecond.
  const least = STALL_MS - 102;
  demand(
    p99.lowMs !== null && p99.lowMs > least,
    `The p99 with a stall of ${STALL_MS} ms is above ${p99.lowMs} ms, expected above ${least} ms`,
  );
}

/** Many times what a busy machine lets pass between two reads: an interval that wide would tell nothing. */
const DELAY_MS_MAX = 2000;
/** How long an upload waits for its answer: who counts from there is wrong by as much. */
const ANSWERED_AFTER_MS = 300;
const DELAYED = 100;

async function tellsDelays({ evidence, random }: CaseContext): Promise<void> {
  const delays = random.fork('delays');
  const visibleAt = new Map<string, number>();
  await using target: LocalTarget = await startLocalTarget(async ({ path }) => {
    const now = target.recorder.now();
    if (path.startsWith('/api/search/')) {
      const fileId = path.split('/').at(-1) ?? '';
      return now >= (visibleAt.get(fileId) ?? Infinity) ? { status: 200, body: hitOf(fileId) } : NOT_FOUND;
    }
    const fileId = randomUUID();
    // Not at once: timers may be early by a fraction of a millisecond, and it would be there before it was due.
    visibleAt.set(fileId, now + delays.integer(2, DELAY_MS_MAX));
    await sleep(ANSWERED_AFTER_MS);
    return { status: 201, body: { file_id: fileId } };
  });
  await runSyncLoad({
    ...target,
    prefix: 'delayed',
    phase: 'baseline',
    ratePerSecond: RATE / 2,
    count: DELAYED,
    timeoutMs: FOLLOWED_MS,
  });
  const samples = visibilitySamples(target.recorder.records);
  const measured = samples.map((sample) => syncLatency(sample, 'intended'));
  const truth = samples.map(({ fileId, intendedAt }) => (visibleAt.get(fileId) ?? Number.NaN) - intendedAt);
  const bounded = samples.filter(({ missAt }) => missAt !== null).length;
  const { n, resolutionMs } = summarize(measured);
  Object.assign(evidence, { samples: n, bounded, resolutionMs: resolutionMs ?? 'unknown' });

  for (const [index, interval] of measured.entries()) demandHolds(interval, truth[index] ?? Number.NaN, 'A sample');
  for (const fraction of [0.5, 0.95, 0.99, 1]) {
    const what = fraction === 1 ? 'The maximum' : `The p${fraction * 100}`;
    demandHolds(quantileOf(measured, fraction), quantileOf(truth.map(exactly), fraction).highMs ?? Number.NaN, what);
  }
  // Nothing is known of a delay whose interval is as wide as what was to be measured.
  demand(
    resolutionMs !== null && resolutionMs < DELAY_MS_MAX,
    `The resolution is ${resolutionMs} ms, of delays up to ${DELAY_MS_MAX} ms`,
  );
}

const exactly = (ms: number): Interval => ({ lowMs: ms, highMs: ms });
/** Figures are rounded to the microsecond. */
const ROUNDING_MS = 0.001;

function demandHolds({ lowMs, highMs }: Interval, trueMs: number, what: string): void {
  demand(
    (lowMs ?? 0) - ROUNDING_MS <= trueMs && highMs !== null && trueMs <= highMs + ROUNDING_MS,
    `${what} is said to be in (${lowMs}, ${highMs}] ms, and the true one is ${trueMs} ms`,
  );
}

/** Answers at once, but for a stall that begins with one upload and holds up all that come during it. */
async function stallingTarget(): Promise<LocalTarget> {
  let [uploads, stalledUntil] = [0, 0];
  const reads = new Map<string, number>();
  return startLocalTarget(async ({ path }: LocalRequest): Promise<LocalAnswer> => {
    if (path.startsWith('/api/search/')) {
      const nth = (reads.get(path) ?? 0) + 1;
      reads.set(path, nth);
      // Never by the first read, so that each sample is bounded from below as well.
      return nth === 1 ? NOT_FOUND : { status: 200, body: hitOf(path.split('/').at(-1) ?? '') };
    }
    if (++uploads === STALLED) stalledUntil = monotonicMs() + STALL_MS;
    while (monotonicMs() < stalledUntil) await sleep(Math.ceil(stalledUntil - monotonicMs()));
    return { status: 201, body: { file_id: randomUUID() } };
  });
}
