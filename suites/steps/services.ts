import { DeadlineError, pollUntil } from '../../harness/index.ts';
import { EVENT_METRICS, type EventMetric, type ServiceName } from '../../services/contract/names.ts';
import type { CaseContext } from '../runner/case.ts';
import { demand, demandEqual } from './violation.ts';

/** When the process of each service that the target has began, as it says itself: a restarted one says another time. */
export type ProcessStartTimes = Readonly<Partial<Record<ServiceName, string>>>;

/**
 * Reads when each service's process began, from the standard process metrics.
 * @throws Violation when a service does not answer or does not say
 */
export async function processStartTimes({ env, pipeline }: CaseContext): Promise<ProcessStartTimes> {
  const entries = env.services.map(async (service) => {
    const { status, body, error } = await pipeline.request(service, 'GET', '/metrics', { authenticated: false });
    demand(status === 200, `/metrics of ${service} answered ${status ?? error ?? 'nothing'}`);
    const [, seconds] = /^process_start_time_seconds(?:\{[^}]*\})? (\S+)$/m.exec(String(body)) ?? [];
    demand(seconds !== undefined, `The metrics of ${service} do not say when its process began`);
    return [service, seconds] as const;
  });
  return Object.fromEntries(await Promise.all(entries)) as ProcessStartTimes;
}

/** @throws Violation unless every service runs, as the same process as `before` */
export async function demandSameProcesses(t: CaseContext, before: ProcessStartTimes): Promise<void> {
  for (const service of t.env.services) {
    demand(await t.env.parts[service].running(), `The process of ${service} is gone`);
  }
  demandEqual(await processStartTimes(t), before, 'When the processes began, after against before');
}

/**
 * What a metric says now, summed over its labels; NaN where the service itself says that it does not know.
 * @throws Violation when its service does not answer
 */
export async function readMetric(
  { env, pipeline }: Pick<CaseContext, 'env' | 'pipeline'>,
  metric: EventMetric,
): Promise<number | undefined> {
  const { service, name: standard } = EVENT_METRICS[metric];
  const name = env.metricNames?.[metric] ?? standard;
  const { status, body, error } = await pipeline.request(service, 'GET', '/metrics', { authenticated: false });
  demand(status === 200, `/metrics of ${service} was answered ${status ?? error}`);
  const sample = new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)`, 'gm');
  const values = Array.from(String(body).matchAll(sample), ([, value]) => Number(value));
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value);
}

/** How soon after SIGTERM a service may show that it is ending: it takes no connection, or says that it is not ready. */
const ENDING_MS = 3000;

/** Waits until a service shows that it is ending; whether it still accepts requests for a while is not judged. */
export async function awaitEnding({ pipeline, signal }: CaseContext, service: ServiceName): Promise<void> {
  const isEnding = async (): Promise<true | undefined> =>
    (await pipeline.ready(service, { recorded: false, timeoutMs: 1000 })).status === 200 ? undefined : true;
  try {
    await pollUntil(isEnding, { what: `${service} to be ending`, timeoutMs: ENDING_MS, signal });
  } catch (error) {
    if (!(error instanceof DeadlineError)) throw error;
  }
}
