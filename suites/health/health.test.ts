import { setInterval } from 'node:timers/promises';
import { awaitReadiness, type Fault, monotonicMs } from '../../harness/index.ts';
import { queryReadinessSchema, versionAnswerSchema } from '../../services/contract/http.ts';
import type { ServiceName } from '../../services/contract/names.ts';
import type { CaseContext } from '../runner/case.ts';
import { suite } from '../runner/suite.ts';
import { eventually } from '../steps/eventually.ts';
import { SHARE_MS_MAX } from '../steps/machine-share.ts';
import { awaitMarker } from '../steps/registrations.ts';
import { conforms, demand, demandEqual, Violation } from '../steps/violation.ts';
import { HEALTH } from './requirements.ts';

const verify = suite(HEALTH);

verify('HLTH-01/healthy', 'With everything up, live and ready answer 200 within 1 s.', (t) =>
  staysHonest(t, STATES.healthy),
);
verify(
  'HLTH-01/redis-killed',
  'With Redis killed, live and ready answer 200, that of query with cache degraded, within 1 s.',
  (t) => staysHonest(t, STATES['redis-killed']),
);
verify(
  'HLTH-01/redis-paused',
  'With Redis connectable but silent, live and ready answer 200, that of query with cache degraded, within 1 s.',
  (t) => staysHonest(t, STATES['redis-paused']),
);
verify(
  'HLTH-01/postgres-stopped',
  'With PostgreSQL stopped, live answers 200 and ready of query 503, within 1 s.',
  (t) => staysHonest(t, STATES['postgres-stopped']),
);
verify('HLTH-03/running', 'The running build is the expected one.', runsWhatWasMeant);
verify('HLTH-03/restarted', 'The build that runs after a restart is the expected one.', restartsWhatWasMeant);

/**
 * Not counting the machine's share: of a readiness answer what the same service takes for its liveness at that moment,
 * which needs no server; of a liveness answer the least that another service takes for its own.
 */
const ANSWER_MS_MAX = 1000;
/** How long a change may take to show in readiness. */
const DETECT_TIMEOUT_MS = 10_000;
/** A state is watched for about 3 s: long enough for timeouts, caches and back-offs of it to come round. */
const ROUNDS = 12;
const ROUND_EVERY_MS = 250;

/**
 * The ingester's readiness asks others for theirs, with a limit below that of its own answer: on a busy machine such a
 * question may be too late once. What is wrong more often is wrong.
 */
const BLIPS_MAX = 2;

interface State {
  /** Brings the state about; absent for the state that is there anyway. */
  provoke?: (t: CaseContext) => Promise<Fault>;
  /** What query's readiness says. */
  ready: { status: 200 | 503; cache?: 'degraded' };
  /** Whether the others have to be ready; where the contract leaves it to them, 200 and 503 are both right. */
  othersReady: boolean;
}

const STATES = {
  healthy: { ready: { status: 200 }, othersReady: true },
  'redis-killed': {
    provoke: ({ faults }) => faults.redis.kill(),
    ready: { status: 200, cache: 'degraded' },
    othersReady: true,
  },
  'redis-paused': {
    provoke: ({ faults }) => faults.redis.pause(),
    ready: { status: 200, cache: 'degraded' },
    othersReady: true,
  },
  'postgres-stopped': {
    provoke: ({ faults }) => faults.postgres.stop(),
    ready: { status: 503 },
    othersReady: false,
  },
} as const satisfies Record<string, State>;

async function staysHonest(t: CaseContext, state: State): Promise<void> {
  if (state.provoke === undefined) return observe(t, state);
  await using fault = await state.provoke(t);
  await observe(t, state);
  await fault.heal();
  const healthy = { ready: { status: 200 }, othersReady: true } as const;
  await awaitState(t, healthy, `every service ready again after ${fault.kind}`);
}

function othersOf({ env }: CaseContext): ServiceName[] {
  return env.services.filter((service) => service !== 'query');
}

/** From the state's first moment every answer is in time; once the state was noticed, every answer says so. */
async function observe(t: CaseContext, state: State): Promise<void> {
  const { ready, othersReady } = state;
  t.evidence.answers = 0;
  t.evidence.slowestMs = 0;
  await round(t);
  await awaitState(t, state, `query saying ${wanted(ready)}${othersReady ? ' and the others 200' : ''}`);
  let rounds = 1;
  const blips = new Map<ServiceName, number>();
  for await (const _tick of setInterval(ROUND_EVERY_MS, undefined, { signal: t.signal })) {
    const answered = await round(t);
    demandEqual(await readiness(t), ready.cache ? ready : { status: ready.status }, 'ready of query');
    rounds++;
    for (const service of othersReady ? othersOf(t) : []) {
      const unready = (blips.get(service) ?? 0) + (answered.get(service) === 200 ? 0 : 1);
      blips.set(service, unready);
      demand(unready <= BLIPS_MAX, `ready of ${service}: expected 200, got 503 in ${unready} of ${rounds} rounds`);
    }
    if (rounds >= ROUNDS) return;
  }
}

/** One call of both health routes of every service; gives what the readiness of each was answered with. */
async function round(t: CaseContext): Promise<ReadonlyMap<ServiceName, number>> {
  const { env, evidence } = t;
  const ask = async (service: ServiceName): Promise<Health> => {
    const [live, ready] = await Promise.all([healthCall(t, 'live', service), healthCall(t, 'ready', service)]);
    demandEqual(live.status, 200, `/health/live of ${service}`);
    demand([200, 503].includes(ready.status), `/health/ready of ${service} answered ${ready.status}`);
    return { service, live, ready };
  };
  const answers = await Promise.all(env.services.map(ask));
  for (const { service, live, ready } of answers) {
    const others = answers.filter((other) => other.service !== service).map((other) => other.live.tookMs);
    demandInTime(`/health/live of ${service}`, live.tookMs, Math.min(...(others.length > 0 ? others : [0])));
    demandInTime(`/health/ready of ${service}`, ready.tookMs, live.tookMs);
    evidence.slowestMs = Math.max(Number(evidence.slowestMs), Math.round(Math.max(live.tookMs, ready.tookMs)));
    evidence.answers = Number(evidence.answers) + 2;
  }
  return new Map(answers.map(({ service, ready }) => [service, ready.status]));
}

interface HealthAnswer {
  status: number;
  tookMs: number;
}

interface Health {
  service: ServiceName;
  live: HealthAnswer;
  ready: HealthAnswer;
}

async function healthCall(
  { pipeline }: CaseContext,
  route: 'live' | 'ready',
  service: ServiceName,
): Promise<HealthAnswer> {
  const startedAt = monotonicMs();
  const { status, error, outcome } = await pipeline[route](service);
  if (status === undefined) throw new Violation(`/health/${route} of ${service} gave no answer: ${error ?? outcome}`);
  return { status, tookMs: monotonicMs() - startedAt };
}

function demandInTime(what: string, tookMs: number, machineMs: number): void {
  const shareMs = Math.min(machineMs, SHARE_MS_MAX);
  demand(
    tookMs - shareMs <= ANSWER_MS_MAX,
    `${what} took ${tookMs.toFixed(0)} ms, more than ${ANSWER_MS_MAX} ms beyond the machine's share of ${shareMs.toFixed(0)} ms`,
  );
}

async function readiness({ pipeline }: CaseContext): Promise<{ status: number | undefined; cache?: string }> {
  const { status, body } = await pipeline.ready('query');
  if (status !== 200) return { status };
  const { cache } = conforms(queryReadinessSchema, body, 'The readiness of query');
  return cache === 'degraded' ? { status, cache } : { status };
}

/** @throws Violation when the state does not show in time, with what was last answered */
async function awaitState(
  t: CaseContext,
  { ready, othersReady }: Pick<State, 'ready' | 'othersReady'>,
  what: string,
): Promise<void> {
  const asks = async (): Promise<true> => {
    const seen = await readiness(t);
    if (seen.status !== ready.status || seen.cache !== ready.cache) throw new Error(`query is ${wanted(seen)}`);
    for (const service of othersReady ? othersOf(t) : []) {
      const { status, error } = await t.pipeline.ready(service);
      if (status !== 200) throw new Error(`${service} is ${status ?? error}`);
    }
    return true;
  };
  await eventually(what, asks, { timeoutMs: DETECT_TIMEOUT_MS, signal: t.signal });
}

function wanted({ status, cache }: { status: number | undefined; cache?: string }): string {
  return cache === undefined ? String(status) : `${status} with cache ${cache}`;
}

const BACK_MS = 15_000;

async function runsWhatWasMeant(t: CaseContext): Promise<void> {
  t.evidence.compared = await demandBuild(t, 'as found');
}

// A stale image comes back with the first restart, whatever was running before.
async function restartsWhatWasMeant(t: CaseContext): Promise<void> {
  const { env, faults, evidence, signal, pipeline } = t;
  evidence.restarted = 0;
  for (const service of env.services) {
    if (!env.capabilities.has(`stop ${service}`)) continue;
    await faults[service].restart();
    const what = `${service} ready after its restart`;
    const isReady = ({ status }: { status?: number }): boolean => status === 200;
    await eventually(what, awaitReadiness(pipeline, service, what, isReady, { timeoutMs: BACK_MS, signal }));
    evidence.restarted++;
  }
  evidence.compared = await demandBuild(t, 'after a restart');
  await awaitMarker(t, 'after every service was restarted');
}

/** @returns how many services said that they are what is meant */
async function demandBuild({ env, pipeline }: CaseContext, when: string): Promise<number> {
  let compared = 0;
  for (const service of env.services) {
    const { status, outcome, body } = await pipeline.request(service, 'GET', '/version', { authenticated: false });
    demandEqual(status ?? outcome, 200, `/version of ${service}`);
    const { version, git_sha } = conforms(versionAnswerSchema, body, `/version of ${service}`);
    compared += demandMeant(env.build, { version, gitSha: git_sha }, `/version of ${service} ${when}`) ? 1 : 0;
  }
  return compared;
}

function demandMeant(
  meant: CaseContext['env']['build'],
  said: { version: string; gitSha: string | undefined },
  what: string,
): boolean {
  if (meant.version !== undefined) demandEqual(said.version, meant.version, `${what}: version`);
  if (meant.gitSha !== undefined) demandEqual(said.gitSha, meant.gitSha, `${what}: git_sha`);
  return meant.version !== undefined || meant.gitSha !== undefined;
}
