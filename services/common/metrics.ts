import { collectDefaultMetrics, Histogram, Registry } from 'prom-client';
import type { ServiceName } from '../../harness/contract/names.ts';

export interface ServiceMetrics {
  readonly registry: Registry;
  /** Seconds per request, by method, route pattern and status. */
  readonly httpSeconds: Histogram<'method' | 'route' | 'status'>;
}

/** A registry of its own (nothing global), with the process's figures and the HTTP histogram in it. */
export function createMetrics(service: ServiceName): ServiceMetrics {
  const registry = new Registry();
  registry.setDefaultLabels({ service });
  collectDefaultMetrics({ register: registry });
  const httpSeconds = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Time from the request line to the end of the answer.',
    labelNames: ['method', 'route', 'status'] as const,
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [registry],
  });
  return { registry, httpSeconds };
}
