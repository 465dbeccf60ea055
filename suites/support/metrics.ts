import { EVENT_METRICS, type EventMetric } from '../../harness/contract/metrics.ts';
import type { PipelineClient } from '../../harness/index.ts';
import { demand } from './violation.ts';

/**
 * What a metric says now, summed over its labels; NaN where the service itself says that it does not know.
 * @throws Violation when its service does not answer
 */
export async function readMetric(pipeline: PipelineClient, metric: EventMetric): Promise<number | undefined> {
  const { service, name } = EVENT_METRICS[metric];
  const { status, body, error } = await pipeline.request(service, 'GET', '/metrics', { authenticated: false });
  demand(status === 200, `/metrics of ${service} was answered ${status ?? error}`);
  const sample = new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)`, 'gm');
  const values = Array.from(String(body).matchAll(sample), ([, value]) => Number(value));
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value);
}
