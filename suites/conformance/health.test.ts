import { setInterval } from 'node:timers/promises';
import { queryReadinessSchema } from '../../harness/contract/http.ts';
import { SERVICE_NAMES } from '../../harness/contract/names.ts';
import { type Fault, monotonicMs, pollUntil } from '../../harness/index.ts';
import type { CaseContext } from '../support/case.ts';
import { suite } from '../support/suite.ts';
import { conforms, demand, demandEqual, promised } from '../support/violation.ts';

const verify = suite();

const ANSWER_MS_MAX = 1000;
/** How long a change may take to show in readiness. */
const DETECT_TIMEOUT_MS = 10_000;
/** A state is watched for about 3 s: long enough for timeouts, caches and back-offs of it to come round. */
const ROUNDS = 12;
const ROUND_EVERY_MS = 250;

interface State {
  variant: string;
  /** Brings the state about; absent for the state that is there anyway. */
  provoke?: (t: CaseContext) => Promise<Fault>;
  ready: { status: 200 | 503; cache?: 'degraded' };
}

const STATES: readonly State[] = [
  { variant: 'healthy', ready: { status: 200 } },
  {
    variant: 'redis-killed',
    provoke: ({ faults }) => faults.redis.kill(),
    ready: { status: 200, cache: 'degraded' },
  },
  {
    variant: 'redis-paused',
    provoke: ({ faults }) => faults.redis.pause(),
    ready: { status: 200, cache: 'degraded' },
  },
  {
    variant: 'postgres-stopped',
    provoke: ({ faults }) => faults.postgres.stop(),
    ready: { status: 503 },
  },
];

for (const { variant, provoke, ready } of STATES) {
  verify(`HLTH-01/${variant}`, async (t) => {
    if (provoke === undefined) return observe(t, ready);
    await using fault = await provoke(t);
    await observe(t, ready);
    await fault.heal();
    await awaitReady(t, { status: 200 }, `ready again after ${fault.kind}`);
  });
}

/** From the state's first moment every answer is in time; once the state was noticed, every answer says so. */
async function observe(t: CaseContext, ready: State['ready']): Promise<void> {
  t.evidence.answers = 0;
  t.evidence.slowestMs = 0;
  await round(t);
  await awaitReady(t, ready, `ready of query saying ${wanted(ready)}`);
  let rounds = 1;
  for await (const _tick of setInterval(ROUND_EVERY_MS, undefined, { signal: t.signal })) {
    await round(t);
    demandEqual(await readiness(t), ready.cache ? ready : { status: ready.status }, 'ready of query');
    if (++rounds >= ROUNDS) return;
  }
}

/** One call of both health routes of every service. */
async function round(t: CaseContext): Promise<void> {
  const calls = SERVICE_NAMES.flatMap((service) =>
    (['live', 'ready'] as const).map(async (route) => {
      const startedAt = monotonicMs();
      const answer = await t.pipeline[route](service);
      const tookMs = monotonicMs() - startedAt;
      const what = `/health/${route} of ${service}`;
      demand(answer.status !== undefined, `${what} gave no answer: ${answer.error ?? answer.outcome}`);
      if (route === 'live') demandEqual(answer.status, 200, what);
      else demand([200, 503].includes(answer.status), `${what} answered ${answer.status}`);
      demand(tookMs <= ANSWER_MS_MAX, `${what} took ${tookMs.toFixed(0)} ms`);
      t.evidence.slowestMs = Math.max(Number(t.evidence.slowestMs), Math.round(tookMs));
      t.evidence.answers = Number(t.evidence.answers) + 1;
    }),
  );
  await Promise.all(calls);
}

async function readiness({ pipeline }: CaseContext): Promise<{ status: number | undefined; cache?: string }> {
  const { status, body } = await pipeline.ready('query');
  if (status !== 200) return { status };
  const { cache } = conforms(queryReadinessSchema, body, 'The readiness of query');
  return cache === 'degraded' ? { status, cache } : { status };
}

async function awaitReady(t: CaseContext, ready: State['ready'], what: string): Promise<void> {
  await promised(
    what,
    pollUntil(
      async () => {
        const { status, cache } = await readiness(t);
        return status === ready.status && cache === ready.cache ? true : undefined;
      },
      { what, timeoutMs: DETECT_TIMEOUT_MS, signal: t.signal },
    ),
  );
}

function wanted({ status, cache }: State['ready']): string {
  return cache === undefined ? String(status) : `${status} with cache ${cache}`;
}
