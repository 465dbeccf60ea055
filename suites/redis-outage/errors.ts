import { cacheOf, type Fault, type RedisError } from '../../harness/index.ts';
import type { CaseContext } from '../runner/case.ts';
import { eventually } from '../steps/eventually.ts';
import { demandAllAnswered, demandAllFound, demandAllVisible, outage } from '../steps/outage.ts';
import { awaitMarker } from '../steps/registrations.ts';
import { demandSameProcesses, processStartTimes, readMetric } from '../steps/services.ts';
import { demand } from '../steps/violation.ts';

const REFUSED_MS = 5000;
const SHOWN_MS = 10_000;
const CONVERGE_MS = 10_000;
/** What an immediate error reply must not lead to, all together and on average; each request may be a log line. */
const PER_SECOND_MAX = { errorReplies: 100, connections: 50, logLines: 200 } as const;

type Tally = Record<keyof typeof PER_SECOND_MAX, number>;

/** RES-07: Redis is up and answers writes with an error. */
export async function bearsErrors(t: CaseContext, error: RedisError): Promise<void> {
  const before = await processStartTimes(t);
  const failedBefore = (await readMetric(t, 'failed')) ?? 0;
  const tallies: Tally[] = [];
  const provoke = async (): Promise<Fault> => {
    tallies.push(await tally(t));
    const fault = await t.faults.redisAnswers(error);
    // Counted when it is over: a Redis that runs a script answers nothing else.
    const heal = async (): Promise<number> => {
      const healedAt = await fault.heal();
      tallies.push(await tally(t));
      return healedAt;
    };
    return { ...fault, heal };
  };
  const result = await outage(t, {
    provoke,
    uploadsPerSecond: 4,
    faultMs: REFUSED_MS,
    convergeMs: CONVERGE_MS,
    during: () => showsTrouble(t, failedBefore),
  });
  const seconds = (result.healedAt - result.effectiveAt) / 1000;
  demandNoHotLoop(t, tallies, seconds);
  demandAllAnswered(result, ['baseline', 'outage', 'recovery']);
  demandAllFound(result);
  demandAllVisible(result, CONVERGE_MS);
  await demandSameProcesses(t, before);
  await awaitMarker(t, 'after it was over');
}

/** Some readiness says degraded, or the publisher counts what it could not publish. */
async function showsTrouble(t: CaseContext, failedBefore: number): Promise<void> {
  const { pipeline, evidence, signal } = t;
  const shown = async (): Promise<string | undefined> => {
    for (const service of ['query', 'admin'] as const) {
      const answer = await pipeline.ready(service, { recorded: false, timeoutMs: 2000 });
      if (answer.status === 200 && cacheOf(answer) === 'degraded') return `${service} says degraded`;
    }
    const failed = (await readMetric(t, 'failed')) ?? 0;
    return failed > failedBefore ? `${failed - failedBefore} failed attempts to publish` : undefined;
  };
  const what = 'The trouble shown by readiness of admin or query, or by the count of failed attempts to publish';
  evidence.shown = await eventually(what, shown, { timeoutMs: SHOWN_MS, signal });
}

/** Counters that rise with every attempt. Redis counts over reloads and changes of its role. */
async function tally({ env, redis }: CaseContext): Promise<Tally> {
  const stats = await redis.info('stats');
  const counter = (name: string): number => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(stats)?.[1] ?? 0);
  const logs = await Promise.all([env.parts.admin.logs(), env.parts.query.logs()]);
  return {
    errorReplies: counter('total_error_replies'),
    connections: counter('total_connections_received'),
    logLines: logs.join('').split('\n').length,
  };
}

function demandNoHotLoop({ evidence }: CaseContext, [before, after]: readonly Tally[], seconds: number): void {
  for (const [name, max] of Object.entries(PER_SECOND_MAX) as [keyof Tally, number][]) {
    const perSecond = Math.round(((after?.[name] ?? 0) - (before?.[name] ?? 0)) / seconds);
    evidence[`${name} per second`] = perSecond;
    demand(perSecond <= max, `${perSecond} ${name} per second while Redis answered with errors, more than ${max}`);
  }
}
