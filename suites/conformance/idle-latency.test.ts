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
import { watchMachine } from '../support/machine-share.ts';
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
const THRESHOLD = parseThreshold('sync_latency{phase=idle}: p(50)<500ms n>=10');
/** Of each, not counting the machine's share. */
const LATENCY_MS_MAX = 2000;

verify('LAT-02', async (t) => {
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
      seenAt - intendedAt - machineMs < LATENCY_MS_MAX,
      `A write was searchable after ${(seenAt - intendedAt).toFixed(0)} ms, not within ${LATENCY_MS_MAX} ms beyond the ${machineMs.toFixed(0)} ms of calls that need no server`,
    );
  }
  const { verdict, reason } = evaluateThreshold(THRESHOLD, records);
  demand(verdict !== 'fail', `Threshold broken: ${THRESHOLD.expression} (n=${n}): ${reason}`);
  if (verdict !== 'pass') throw new InconclusiveError(`Threshold undecided: ${THRESHOLD.expression}: ${reason}`);
});
