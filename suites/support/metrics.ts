import { EVENT_METRICS, type EventMetric } from '../../harness/contract/metrics.ts';
import type { CaseContext } from './case.ts';
import { demand } from './violation.ts';

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
