import { afterEach, expect, test } from 'vitest';
import { visibilitySamples } from '../../harness/check/index.ts';
import { VisibilityTracker } from '../../harness/workload/visibility.ts';
import { type LocalAnswer, startLocalTarget } from './local-target.ts';

let cleanup = new AsyncDisposableStack();
afterEach(async () => {
  await cleanup.disposeAsync();
  cleanup = new AsyncDisposableStack();
});

const NOT_FOUND: LocalAnswer = { status: 404, body: { title: 'Not Found', status: 404 } };

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

test('an error while following is reported at the end, and has no effect before', async () => {
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
