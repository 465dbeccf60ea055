import type { ServiceName } from '../../harness/contract/names.ts';
import type { CaseContext } from './case.ts';
import { demand, demandEqual } from './violation.ts';

/** When the process of each service that the target has began, as it says itself: a restarted one says another time. */
export type Births = Readonly<Partial<Record<ServiceName, string>>>;

/**
 * Reads when each service's process began, from the standard process metrics.
 * @throws Violation when a service does not answer or does not say
 */
export async function births({ env, pipeline }: CaseContext): Promise<Births> {
  const entries = env.services.map(async (service) => {
    const { status, body, error } = await pipeline.request(service, 'GET', '/metrics', { authenticated: false });
    demand(status === 200, `/metrics of ${service} answered ${status ?? error ?? 'nothing'}`);
    const [, seconds] = /^process_start_time_seconds(?:\{[^}]*\})? (\S+)$/m.exec(String(body)) ?? [];
    demand(seconds !== undefined, `The metrics of ${service} do not say when its process began`);
    return [service, seconds] as const;
  });
  return Object.fromEntries(await Promise.all(entries)) as Births;
}

/** @throws Violation unless every service runs, as the same process as `before` */
export async function demandSameProcesses(t: CaseContext, before: Births): Promise<void> {
  for (const service of t.env.services) {
    demand(await t.env.parts[service].running(), `The process of ${service} is gone`);
  }
  demandEqual(await births(t), before, 'When the processes began, after against before');
}
