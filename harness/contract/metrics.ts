import type { ServiceName } from './names.ts';

/** One series of the Prometheus format, and the service whose `/metrics` shows it. */
interface MetricSource {
  service: ServiceName;
  name: string;
}

/** Where a pipeline tells how its events fare. The contract asks for what is told; the names are the reference's. */
export const EVENT_METRICS = {
  /** Counts events that Redis took. */
  published: { service: 'admin', name: 'syncproof_events_published_total' },
  /** Counts attempts to publish that failed. */
  failed: { service: 'admin', name: 'syncproof_events_publish_failed_total' },
  /** Counts events whose effect is committed. */
  processed: { service: 'query', name: 'syncproof_events_processed_total' },
  /** Counts events that were given up. */
  deadLettered: { service: 'query', name: 'syncproof_events_dead_lettered_total' },
  /** Events that were delivered and are not acknowledged. */
  pending: { service: 'query', name: 'syncproof_events_pending' },
  /** Events that were not delivered yet. */
  lag: { service: 'query', name: 'syncproof_events_lag' },
} as const satisfies Record<string, MetricSource>;

export type EventMetric = keyof typeof EVENT_METRICS;

/** Names that a pipeline has for these, where they are its own. */
export type MetricNames = Readonly<Partial<Record<EventMetric, string>>>;
