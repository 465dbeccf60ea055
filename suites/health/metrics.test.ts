import type { Fault } from '../../harness/index.ts';
import type { EventMetric } from '../../services/contract/names.ts';
import type { CaseContext } from '../runner/case.ts';
import { suite } from '../runner/suite.ts';
import { addEvents, CraftedFile, poison } from '../steps/crafted-events.ts';
import { eventually } from '../steps/eventually.ts';
import { lockReadModel } from '../steps/read-model.ts';
import { awaitMarker, registerPlain } from '../steps/registrations.ts';
import { readMetric } from '../steps/services.ts';
import { awaitSearchable } from '../steps/steps.ts';
import { demand } from '../steps/violation.ts';
import { HEALTH } from './requirements.ts';

const verify = suite(HEALTH);

verify('HLTH-02/flow', 'Events that are published and processed are counted.', countsFlow);
verify('HLTH-02/dead-letters', 'An event that is moved to the dead-letter stream is counted.', countsDeadLetters);
verify('HLTH-02/failures', 'Attempts to publish that fail are counted.', countsFailures);
verify(
  'HLTH-02/backlog',
  'Pending and undelivered events are counted, and no longer once they are processed.',
  showsBacklog,
);

const FILES = 5;
/** More than a consumer takes at once: what is behind that is not delivered while it is held up. */
const BACKLOG_BATCHES = 3;
/** A gauge may be asked for less often than it changes. */
const SHOWN_MS = 15_000;

async function countsFlow(t: CaseContext): Promise<void> {
  const { pipeline, env, evidence, unique, signal } = t;
  const before = { published: await known(t, 'published'), processed: await known(t, 'processed') };
  for (let i = 0; i < FILES; i++) {
    const { file_id } = await registerPlain(pipeline, `${unique}-${i}.txt`);
    await awaitSearchable(pipeline, file_id, { timeoutMs: env.limits.syncMs, signal });
  }
  for (const metric of ['published', 'processed'] as const) {
    evidence[metric] = (await awaitMetric(t, metric, (value) => value >= before[metric] + FILES)) - before[metric];
  }
}

async function countsDeadLetters(t: CaseContext): Promise<void> {
  const before = await known(t, 'deadLettered');
  await addEvents(t.redis, [poison('broken JSON', `${t.unique}.txt`).fields]);
  await awaitMarker(t, 'behind an event that cannot be applied');
  t.evidence.deadLettered = (await awaitMetric(t, 'deadLettered', (value) => value > before)) - before;
}

async function countsFailures(t: CaseContext): Promise<void> {
  const { pipeline, faults, evidence, unique } = t;
  const before = await known(t, 'failed');
  {
    await using _away: Fault = await faults.redis.kill();
    await registerPlain(pipeline, `${unique}.txt`);
    evidence.failed = (await awaitMetric(t, 'failed', (value) => value > before)) - before;
  }
  await awaitMarker(t, 'after Redis was back');
}

async function showsBacklog(t: CaseContext): Promise<void> {
  const { env, pipeline, redis, evidence, unique } = t;
  {
    await using _locked = await lockReadModel(env);
    const files: Promise<unknown>[] = [];
    for (let i = 0; i < FILES; i++) files.push(registerPlain(pipeline, `${unique}-pending-${i}.txt`));
    await Promise.all(files);
    evidence.pending = await awaitMetric(t, 'pending', (value) => value > 0);
    // As many as it takes until some are left over; how many a consumer takes at once is its own affair.
    let added = 0;
    for (let batch = 0; batch < BACKLOG_BATCHES; batch++) {
      added += (await addEvents(redis, backlogEvents(`${unique}-lag-${batch}`))).length;
    }
    evidence.added = added;
    evidence.lag = await awaitMetric(t, 'lag', (value) => value > 0);
  }
  await awaitMetric(t, 'lag', (value) => value === 0);
  await awaitMetric(t, 'pending', (value) => value === 0);
}

function backlogEvents(prefix: string) {
  return Array.from({ length: 200 }, (_, i) => new CraftedFile(`${prefix}-${i}.txt`, 'plain').created());
}

/** @throws Violation when there is no such series */
async function known(t: CaseContext, metric: EventMetric): Promise<number> {
  const value = await readMetric(t, metric);
  demand(value !== undefined, () => `/metrics has no series for ${metric}`);
  return value;
}

/** @throws Violation when the metric does not reach this state in time, with its last value */
function awaitMetric(t: CaseContext, metric: EventMetric, isSo: (value: number) => boolean): Promise<number> {
  const what = `The metric for ${metric} following what happened`;
  const probe = async (): Promise<number> => {
    const value = await known(t, metric);
    if (!isSo(value)) throw new Error(`it is ${value}`);
    return value;
  };
  return eventually(what, probe, { timeoutMs: SHOWN_MS, signal: t.signal });
}
