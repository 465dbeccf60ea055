import { afterEach, describe, expect, test } from 'vitest';
import {
  entryOf,
  hitOf,
  type LocalAnswer,
  type LocalRequest,
  startLocalTarget,
} from '../../suites/honesty/local-target.ts';
import { requireFinalReads, unreadFiles } from '../check/index.ts';
import { InconclusiveError } from '../core/errors.ts';
import { pollUntil } from '../core/time.ts';
import { memoryRecorder } from '../record/writer.ts';
import { convergenceOf, finalReads } from './convergence.ts';
import { startOpenLoop } from './load.ts';

let cleanup = new AsyncDisposableStack();
afterEach(async () => {
  await cleanup.disposeAsync();
  cleanup = new AsyncDisposableStack();
});

const until = (what: string, condition: () => boolean): Promise<true> =>
  pollUntil(() => condition() || undefined, { what, timeoutMs: 10_000, intervalMs: 1 });

const turnOfEventLoop = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('an open loop', () => {
  test('has absolute due times, and catches up with what was late', async () => {
    const recorder = memoryRecorder();
    const [due, startedAt]: [number[], number[]] = [[], []];
    const loop = startOpenLoop({
      recorder,
      ratePerSecond: 400,
      count: 60,
      act: async (index, dueAt) => {
        due.push(dueAt);
        startedAt.push(recorder.now());
        // The whole process hangs for as long as 40 operations are due.
        if (index === 5) while (recorder.now() < dueAt + 100);
      },
    });
    await loop.done;
    const first = due[0] ?? Number.NaN;
    for (const [index, dueAt] of due.entries()) expect(dueAt).toBeCloseTo(first + index * 2.5, 6);
    expect(due).toHaveLength(60);
    // Not one of those pauses any more: what was due in the standstill starts before the next one is due.
    const late = startedAt.slice(6, 45).map((at, index) => at - (due[index + 6] ?? 0));
    expect(Math.min(...late)).toBeGreaterThan(0);
  });

  test('does not wait for answers', async () => {
    const gate = Promise.withResolvers<void>();
    const loop = startOpenLoop({
      recorder: memoryRecorder(),
      ratePerSecond: 1000,
      count: 20,
      act: async (index) => {
        if (index === 19) gate.resolve();
        await gate.promise;
      },
    });
    await loop.done;
  });

  test('lets those above the limit wait, and keeps their due times', async () => {
    const recorder = memoryRecorder();
    const gate = Promise.withResolvers<void>();
    const due: number[] = [];
    const loop = startOpenLoop({
      recorder,
      ratePerSecond: 1000,
      count: 6,
      inFlightMax: 2,
      act: async (_index, dueAt) => {
        due.push(dueAt);
        await gate.promise;
      },
    });
    await until('two to be under way', () => due.length === 2);
    await until('the others to be due', () => recorder.now() > (due[0] ?? 0) + 10);
    expect(due).toHaveLength(2);
    gate.resolve();
    await loop.done;
    expect(due.map((dueAt) => Math.round(dueAt - (due[0] ?? 0)))).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test.each([
    ['rejects', async () => Promise.reject(new Error('first'))],
    [
      'throws at once',
      () => {
        throw new Error('first');
      },
    ],
  ])('ends with the first error, when those in flight have ended: an operation %s', async (_how, fail) => {
    const gate = Promise.withResolvers<void>();
    let [started, ended] = [0, 0];
    const loop = startOpenLoop({
      recorder: memoryRecorder(),
      ratePerSecond: 1000,
      act: async (index) => {
        started++;
        if (index === 3) return fail();
        await gate.promise;
        ended++;
        throw new Error('a later one');
      },
    });
    await until('the failing one', () => started > 3);
    // The end is not awaited yet: that must not count as an unhandled rejection.
    await turnOfEventLoop();
    expect(ended).toBe(0);
    gate.resolve();
    await expect(loop.done).rejects.toThrow('first');
    await expect(loop.stop()).rejects.toThrow('first');
    expect(ended).toBe(started - 1);
  });

  test('stops: nothing further starts, and those in flight are waited for', async () => {
    const gate = Promise.withResolvers<void>();
    let [started, ended, stopped] = [0, 0, false];
    const loop = startOpenLoop({
      recorder: memoryRecorder(),
      ratePerSecond: 1000,
      act: async () => {
        started++;
        await gate.promise;
        ended++;
      },
    });
    await until('some to be under way', () => started > 2);
    const stopping = loop.stop().then(() => {
      stopped = true;
    });
    const before = started;
    await turnOfEventLoop();
    expect(stopped).toBe(false);
    gate.resolve();
    await stopping;
    expect([started, ended]).toEqual([before, before]);
  });

  test('ends with the run', async () => {
    const run = new AbortController();
    let started = 0;
    const loop = startOpenLoop({
      recorder: memoryRecorder(),
      ratePerSecond: 1000,
      signal: run.signal,
      act: async () => {
        if (++started === 3) run.abort();
      },
    });
    await loop.done;
    expect(started).toBe(3);
  });
});

const A = '6f2b0f2e-3c1a-4d53-9a55-0d4f6ce0a001';
const B = '6f2b0f2e-3c1a-4d53-9a55-0d4f6ce0a002';

/** Answers by-id reads: A is there, B was deleted. */
function truth({ path }: LocalRequest): LocalAnswer {
  if (path.endsWith(B)) return { status: 404, body: { title: 'Not Found', status: 404 } };
  return { status: 200, body: path.startsWith('/api/search') ? hitOf(A) : entryOf(A) };
}

async function acknowledged(answer: (request: LocalRequest) => LocalAnswer) {
  const target = cleanup.use(await startLocalTarget(answer));
  for (const fileId of [A, B]) {
    const common = { op: `upload-${fileId}`, kind: 'upload' } as const;
    target.recorder.record({ type: 'invoke', intendedAt: 0, ...common });
    target.recorder.record({ type: 'ok', fileId, status: 201, ...common });
  }
  return target;
}

describe('final reads', () => {
  test('are repeated until both places have answered for every file, found or not', async () => {
    const tries = new Map<string, number>();
    const target = await acknowledged((request) => {
      const nth = (tries.get(request.path) ?? 0) + 1;
      tries.set(request.path, nth);
      if (nth === 1) return { status: 503 };
      return nth === 2 ? 'reset' : truth(request);
    });
    await finalReads(target.pipeline, [A, B, A]);
    expect([...tries.values()]).toEqual([3, 3, 3, 3]);
    expect(unreadFiles(target.recorder.records)).toEqual([]);
    expect(() => requireFinalReads(target.recorder.records)).not.toThrow();
  });

  test.each<[string, LocalAnswer]>([
    ['fails', { status: 503 }],
    ['hangs', 'hang'],
  ])('of which one %s to the end leave the run inconclusive', async (_how, bad) => {
    const target = await acknowledged((request) => (request.path === `/api/search/${A}` ? bad : truth(request)));
    const reading = finalReads(target.pipeline, [A, B], { timeoutMs: 1000 });
    await expect(reading).rejects.toThrow(InconclusiveError);
    await expect(reading).rejects.toThrow(/^[12] of 2 files were not read by both registry and search within 1000 ms$/);
    expect(unreadFiles(target.recorder.records)).toContain(A);
    expect(() => requireFinalReads(target.recorder.records)).toThrow(InconclusiveError);
  });

  test('end with the run, for its reason', async () => {
    const run = new AbortController();
    const target = await acknowledged(() => {
      run.abort(new Error('interrupted'));
      return 'hang';
    });
    await expect(finalReads(target.pipeline, [A, B], { signal: run.signal })).rejects.toThrow('interrupted');
  });
});

describe('convergence after healing', () => {
  const seen = (acceptedAt: number, hitAt: number | null) => ({ acceptedAt, hitAt });

  test('counts from the first and to the last write that had been held back', () => {
    const samples = [seen(10, 20), seen(40, 130), seen(50, 110), seen(120, 125), seen(140, 190)];
    expect(convergenceOf(samples, 100)).toEqual({ firstAppliedAt: 110, drainedAt: 130, invisible: 0 });
  });

  test('has an end only when all that was held back was seen', () => {
    expect(convergenceOf([seen(40, 130), seen(50, null), seen(60, null)], 100)).toEqual({
      firstAppliedAt: 130,
      drainedAt: undefined,
      invisible: 2,
    });
    expect(convergenceOf([seen(40, 130), seen(150, null)], 100)).toMatchObject({ drainedAt: 130, invisible: 1 });
  });

  test('is at once where nothing was held back', () => {
    expect(convergenceOf([], 100)).toEqual({ firstAppliedAt: undefined, drainedAt: 100, invisible: 0 });
    expect(convergenceOf([seen(10, 20)], 100)).toEqual({ firstAppliedAt: undefined, drainedAt: 100, invisible: 0 });
  });
});
