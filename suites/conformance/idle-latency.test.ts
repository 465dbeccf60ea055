import { setTimeout as sleep } from 'node:timers/promises';
import {
  evaluateThreshold,
  InconclusiveError,
  parseThreshold,
  summarize,
  syncLatency,
  VisibilityTracker,
  visibilitySamples,
} from '../../harness/index.ts';
import { registration } from '../support/registrations.ts';
import { suite } from '../support/suite.ts';
import { demand } from '../support/violation.ts';

const verify = suite();

const WRITES = 10;
/** Between two writes nothing happens for so long, in ms. */
const IDLE_MS = [1000, 7000] as const;

/**
 * A write that waits for a blocking read on its connection waits for half of the blocking time on average, and now and then
 * for all of it: both show in a few samples.
 */
const THRESHOLDS = ['sync_latency{phase=idle}: p(50)<500ms n>=10', 'sync_latency{phase=idle}: max<2s n>=10'].map(
  parseThreshold,
);

verify('LAT-02', async (t) => {
  const { env, pipeline, recorder, records, random, evidence, unique, signal } = t;
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
  const { n, p50, max, resolutionMs } = summarize(
    visibilitySamples(records).map((sample) => syncLatency(sample, 'intended')),
  );
  Object.assign(evidence, { samples: n, resolutionMs: resolutionMs ?? 'unknown' });
  Object.assign(evidence, { 'p50 (ms)': p50.highMs ?? 'censored', 'max (ms)': max.highMs ?? 'censored' });
  for (const threshold of THRESHOLDS) {
    const { verdict, reason } = evaluateThreshold(threshold, records);
    demand(verdict !== 'fail', `Threshold broken: ${threshold.expression} (n=${n}): ${reason}`);
    if (verdict !== 'pass') throw new InconclusiveError(`Threshold undecided: ${threshold.expression}: ${reason}`);
  }
});
