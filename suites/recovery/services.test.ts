import { consumerStates, type Fault, ORDERLY_END_MS, pollUntil, startOpenLoop } from '../../harness/index.ts';
import type { ServiceName } from '../../services/contract/names.ts';
import type { CaseContext } from '../runner/case.ts';
import { suite } from '../runner/suite.ts';
import { eventually } from '../steps/eventually.ts';
import { awaitMarker, plainRegistration } from '../steps/registrations.ts';
import { awaitEnding } from '../steps/services.ts';
import { awaitSearchable, findByName } from '../steps/steps.ts';
import { beginUpload, canSendSlowly } from '../steps/uploads.ts';
import { demand, demandEqual } from '../steps/violation.ts';
import { RECOVERY } from './requirements.ts';

const verify = suite(RECOVERY);

verify(
  'RES-09/working',
  'SIGTERM to one service after the other: requests in progress are answered, and each exits within 10 s.',
  endsWhileWorking,
);
verify('RES-09/redis-hangs', 'SIGTERM to every service while Redis hangs: each exits within 10 s.', (t) =>
  endWhileHanging(t, () => t.faults.redis.pause()),
);
verify('RES-09/postgres-hangs', 'SIGTERM to every service while PostgreSQL hangs: each exits within 10 s.', (t) =>
  endWhileHanging(t, () => t.faults.postgres.pause()),
);
verify('RES-10', 'Twenty restarts of a consumer leave a bounded number of consumers in the group.', restartsOften);

const RESTARTS = 20;
/** How many consumers there may be in the end, beside those that there were. */
const MORE_MAX = 5;
/** A consumer that takes a new name at every start must have removed the old ones by then. */
const REMOVED_MS = 60_000;

async function restartsOften(t: CaseContext): Promise<void> {
  const { env, redis, faults, evidence, signal } = t;
  const count = async (): Promise<number> => (await consumerStates(redis)).length;
  // A consumer is known to the group once it was given something.
  await awaitMarker(t, 'before');
  evidence.consumersBefore = await count();
  const max = evidence.consumersBefore + MORE_MAX;
  evidence.restarts = 0;
  for (let i = 0; i < RESTARTS; i++) {
    // Killed and ended in turn: who leaves in order may clean up, who is killed cannot.
    await using down = await (i % 2 === 0 ? faults.query.kill() : faults.query.stop());
    await down.heal();
    await awaitMarker(t, `after restart ${i}`);
    evidence.restarts++;
  }
  evidence.consumersAtOnce = await count();
  const what = `No more than ${max} consumers in the group after ${RESTARTS} restarts`;
  const bounded = async (): Promise<number> => {
    const left = await count();
    if (left > max) throw new Error(`there are ${left}`);
    return left;
  };
  const timeoutMs = REMOVED_MS + env.limits.pendingRetryMs;
  evidence.consumersInTheEnd = await eventually(what, bounded, { timeoutMs, signal });
}

type Stopped = Awaited<ReturnType<CaseContext['faults']['query']['stop']>>;

type End = () => Promise<Stopped>;
const UPLOAD_BYTES = 200_000;
/** A request in progress is answered before its service exits. */
const ANSWER_MS = ORDERLY_END_MS;
const LOAD_PER_SECOND = 20;
/** Requests that were sent before services receive SIGTERM. */
const SENT_MIN = 10;

async function endsWhileWorking(t: CaseContext): Promise<void> {
  const { env, faults, evidence } = t;
  Object.assign(evidence, { ended: 0, finished: 0 });
  const underWay: Partial<Record<ServiceName, (end: End) => Promise<Stopped>>> = {
    ingester: canSendSlowly(env) ? (end) => endDuringUpload(t, end) : undefined,
    admin: env.capabilities.has('registry') ? (end) => endDuringCommit(t, end) : undefined,
  };
  for (const service of stoppable(t)) {
    const end: End = () => faults[service].stop();
    await using stopped = await (underWay[service]?.(end) ?? end());
    judge(t, service, stopped);
  }
  await awaitMarker(t, 'after every service was ended and started');
}

function stoppable({ env }: CaseContext): ServiceName[] {
  return env.services.filter((service) => env.capabilities.has(`stop ${service}`));
}

function judge({ evidence }: CaseContext, service: ServiceName, { ended }: Stopped): void {
  const { exitCode, ms, inTime } = ended;
  evidence[`${service} (ms)`] = Math.round(ms);
  demand(inTime && ms <= ORDERLY_END_MS, `${service} did not end within ${ORDERLY_END_MS} ms of SIGTERM`);
  demand(exitCode === null || exitCode === 0, `${service} ended with exit code ${exitCode}, expected 0`);
  evidence.ended = Number(evidence.ended) + 1;
}

/** An upload whose bytes were not all sent when the ingester received SIGTERM is accepted all the same. */
async function endDuringUpload(t: CaseContext, end: End): Promise<Stopped> {
  const { env, pipeline, evidence, unique, signal } = t;
  const filename = `${unique}-under-way.bin`;
  using slow = await beginUpload(t, { filename, size: UPLOAD_BYTES });
  const half = Buffer.alloc(UPLOAD_BYTES / 2, 1);
  await slow.write(half);
  const ending = end();
  try {
    await awaitEnding(t, 'ingester');
    await slow.write(half);
    slow.end();
    demandEqual(await slow.answer(ANSWER_MS), 201, 'The answer to an upload in progress when the ingester was stopped');
  } catch (error) {
    await (await ending).heal();
    throw error;
  }
  evidence.finished = Number(evidence.finished) + 1;
  const stopped = await ending;
  const what = `${filename} searchable`;
  const probe = async (): Promise<true | undefined> =>
    (await findByName(pipeline, filename)).length > 0 ? true : undefined;
  await eventually(what, probe, { timeoutMs: env.limits.syncMs, signal });
  return stopped;
}

/** A registration whose COMMIT had not returned when admin received SIGTERM is answered. */
async function endDuringCommit(t: CaseContext, end: End): Promise<Stopped> {
  const { env, pipeline, faults, evidence, unique, signal } = t;
  const body = plainRegistration(`${unique}-under-way.txt`);
  const cause = () => pipeline.register({ ...body });
  let answer: ReturnType<typeof cause> | undefined;
  await using gate = await faults.registry.holdCommits({
    filenamePrefix: body.original_filename,
    cause: () => (answer = cause()),
  });
  const ending = end();
  try {
    await awaitEnding(t, 'admin');
    await gate.heal();
    const { status, outcome, error } = (await answer) ?? { outcome: 'never sent' };
    const what = 'a registration whose commit was held when admin was ended';
    demand(status === 201, `The answer to ${what}: expected 201, got ${status ?? `${outcome} ${error ?? ''}`}`);
  } catch (error) {
    await (await ending).heal();
    throw error;
  }
  evidence.finished = Number(evidence.finished) + 1;
  const stopped = await ending;
  await stopped.heal();
  await awaitSearchable(pipeline, body.file_id, { timeoutMs: env.limits.syncMs, signal });
  return stopped;
}

/** All services at once, under requests that a server keeps waiting, and with events that cannot be published. */
async function endWhileHanging(t: CaseContext, hang: () => Promise<Fault>): Promise<void> {
  const { faults, evidence } = t;
  Object.assign(evidence, { ended: 0 });
  {
    await using hanging = await hang();
    await using load = await startLoad(t);
    await using down = new AsyncDisposableStack();
    Object.assign(evidence, load.counts());
    const endings = await Promise.all(
      stoppable(t).map(async (service) => [service, down.use(await faults[service].stop())] as const),
    );
    for (const [service, stopped] of endings) judge(t, service, stopped);
    await hanging.heal();
  }
  await awaitMarker(t, 'after every service was ended while a server hung');
}

interface Load extends AsyncDisposable {
  counts(): { sent: number; unanswered: number };
}

/** Writes and searches whose outcome is not judged. Resolves once some were sent; disposing ends it. */
async function startLoad({ pipeline, recorder, unique, signal }: CaseContext): Promise<Load> {
  const counts = { sent: 0, unanswered: 0 };
  const act = async (index: number): Promise<void> => {
    counts.sent++;
    counts.unanswered++;
    await (index % 2 === 0
      ? pipeline.search({ query: `${unique} ${index}`, mode: 'partial' })
      : pipeline.register({ ...plainRegistration(`${unique}-load-${index}.txt`) }));
    counts.unanswered--;
  };
  const loop = startOpenLoop({ recorder, ratePerSecond: LOAD_PER_SECOND, signal, act });
  const started = (): true | undefined => (counts.sent >= SENT_MIN ? true : undefined);
  await pollUntil(started, { what: `${SENT_MIN} requests sent`, timeoutMs: ANSWER_MS, signal });
  return {
    counts: () => ({ ...counts }),
    async [Symbol.asyncDispose]() {
      await loop.stop();
    },
  };
}
