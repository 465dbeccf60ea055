import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { quantileOf, syncLatency, visibilitySamples } from '../../harness/check/index.ts';
import { monotonicMs } from '../../harness/core/clock.ts';
import { seededRandom } from '../../harness/core/random.ts';
import { VisibilityTracker } from '../../harness/probes/visibility.ts';
import { runSyncLoad } from '../../harness/scenario/sync-load.ts';
import { hitOf, type LocalAnswer, type LocalRequest, type LocalTarget, startLocalTarget } from './local-target.ts';

let cleanup = new AsyncDisposableStack();
afterEach(async () => {
  await cleanup.disposeAsync();
  cleanup = new AsyncDisposableStack();
});

const STALL_MS = 600;
/** Which upload meets the stall. */
const STALLED = 50;
const COUNT = 200;
const RATE = 100;
const NOT_FOUND: LocalAnswer = { status: 404, body: { title: 'Not Found', status: 404 } };

/** Answers at once, but for a stall that begins with one upload and holds up all that come during it. */
async function stallingTarget(): Promise<LocalTarget> {
  let [uploads, stalledUntil] = [0, 0];
  const reads = new Map<string, number>();
  const answer = async ({ path }: LocalRequest): Promise<LocalAnswer> => {
    if (path.startsWith('/api/search/')) {
      const nth = (reads.get(path) ?? 0) + 1;
      reads.set(path, nth);
      // Never by the first read, so that each sample is bounded from below as well.
      return nth === 1 ? NOT_FOUND : { status: 200, body: hitOf(path.split('/').at(-1) ?? '') };
    }
    if (++uploads === STALLED) stalledUntil = monotonicMs() + STALL_MS;
    // Timers may be early by a fraction of a millisecond.
    while (monotonicMs() < stalledUntil) await sleep(Math.ceil(stalledUntil - monotonicMs()));
    return { status: 201, body: { file_id: randomUUID() } };
  };
  return cleanup.use(await startLocalTarget(answer));
}

test('HON-01: a stall shows in the p99 of an open loop, though a closed loop would hide it', async () => {
  const open = await stallingTarget();
  await runSyncLoad({
    ...open,
    prefix: 'open',
    phase: 'baseline',
    ratePerSecond: RATE,
    count: COUNT,
    timeoutMs: 20_000,
  });
  const samples = visibilitySamples(open.recorder.records).map((sample) => syncLatency(sample, 'intended'));
  const shown = quantileOf(samples, 0.99);

  const closed = await stallingTarget();
  const hidden: number[] = [];
  for (let index = 0; index < COUNT; index++) {
    const { startedAt, endedAt } = await closed.pipeline.upload({ filename: 'a', content: Buffer.from('a') });
    hidden.push(endedAt - startedAt);
  }
  const closedP99 = quantileOf(
    hidden.map((ms) => ({ lowMs: ms, highMs: ms })),
    0.99,
  );

  expect(samples).toHaveLength(COUNT);
  // Ten uploads are due in the first 100 ms of the stall, and none of them can be answered before its end; that is more
  // than the one percent that the p99 leaves out, however busy the machine is.
  expect(shown.lowMs).toBeGreaterThan(STALL_MS - 102);
  // The one upload that a closed loop has under way.
  expect(Math.max(...hidden)).toBeGreaterThanOrEqual(STALL_MS);
  expect(closedP99.highMs).toBeLessThan(shown.lowMs ?? 0);
});

test('HON-02: every interval holds the true moment, and every percentile the true one', async () => {
  const random = seededRandom(2).fork('delays');
  const visibleAt = new Map<string, number>();
  const target: LocalTarget = cleanup.use(
    await startLocalTarget(({ path }) => {
      const now = target.recorder.now();
      if (path.startsWith('/api/search/')) {
        const fileId = path.split('/').at(-1) ?? '';
        return now >= (visibleAt.get(fileId) ?? Infinity) ? { status: 200, body: hitOf(fileId) } : NOT_FOUND;
      }
      const fileId = randomUUID();
      visibleAt.set(fileId, now + random.integer(0, 400));
      return { status: 201, body: { file_id: fileId } };
    }),
  );
  await runSyncLoad({
    ...target,
    prefix: 'delayed',
    phase: 'baseline',
    ratePerSecond: RATE,
    count: 100,
    timeoutMs: 20_000,
  });

  const samples = visibilitySamples(target.recorder.records);
  expect(samples).toHaveLength(100);
  const truthMs = samples.map((sample) => {
    const trueAt = visibleAt.get(sample.fileId) ?? Number.NaN;
    expect(sample.missAt ?? Number.NEGATIVE_INFINITY).toBeLessThan(trueAt);
    expect(sample.hitAt).toBeGreaterThanOrEqual(trueAt);
    return trueAt - sample.intendedAt;
  });
  expect(samples.some(({ missAt }) => missAt !== null)).toBe(true);
  for (const fraction of [0.5, 0.95, 0.99, 1]) {
    const { lowMs, highMs } = quantileOf(
      samples.map((sample) => syncLatency(sample, 'intended')),
      fraction,
    );
    const exact = quantileOf(
      truthMs.map((ms) => ({ lowMs: ms, highMs: ms })),
      fraction,
    );
    expect(lowMs).toBeLessThanOrEqual(exact.highMs ?? Number.NaN);
    expect(highMs).toBeGreaterThanOrEqual(exact.lowMs ?? Number.NaN);
  }
});

const WATCHED = { kind: 'created', phase: 'baseline', intendedAt: 0, acceptedAt: 0 } as const;

test('what is never seen is counted, not dropped', async () => {
  const { pipeline, recorder } = cleanup.use(await startLocalTarget(() => NOT_FOUND));
  const tracker = new VisibilityTracker({ pipeline, recorder, timeoutMs: 50 });
  tracker.watch({ ...WATCHED, op: 'o', fileId: 'f', acceptedAt: recorder.now() });
  expect(await tracker.finish()).toMatchObject([{ fileId: 'f', hitAt: null }]);
  expect(visibilitySamples(recorder.records)).toMatchObject([{ fileId: 'f', hitAt: null, missAt: expect.any(Number) }]);
});

test('a read that fails says neither hit nor miss', async () => {
  const { pipeline, recorder } = cleanup.use(await startLocalTarget(() => ({ status: 503 })));
  const tracker = new VisibilityTracker({ pipeline, recorder, timeoutMs: 50 });
  tracker.watch({ ...WATCHED, op: 'o', fileId: 'f', acceptedAt: recorder.now() });
  expect(await tracker.finish()).toMatchObject([{ missAt: null, hitAt: null }]);
});

test('an error while following is heard of at the end, and before that disturbs nobody', async () => {
  const { pipeline, recorder } = cleanup.use(await startLocalTarget(() => NOT_FOUND));
  const tracker = new VisibilityTracker({ pipeline, recorder, timeoutMs: 50 });
  const thrown = Promise.withResolvers<void>();
  const shows = (): boolean => {
    thrown.resolve();
    throw new Error('shows cannot tell');
  };
  tracker.watch({ ...WATCHED, op: 'o', fileId: 'f', acceptedAt: recorder.now(), shows });
  await thrown.promise;
  // An unhandled rejection would be reported in this turn, and fail the run of this file.
  await new Promise((resolve) => setImmediate(resolve));
  await expect(tracker.finish()).rejects.toThrow('shows cannot tell');
  expect(tracker.samples).toMatchObject([{ fileId: 'f', hitAt: null }]);
});
