import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { shared } from '../common/backoff.ts';
import { FAILURE_KINDS } from './events.ts';

/** What makes a comparison with the registry due: a sign that events were lost, or the time since the last one. */
export const RECONCILE_REASONS = ['boot', 'group-made', 'redis-changed', 'entries-trimmed', 'gap', 'interval'] as const;
export type ReconcileReason = (typeof RECONCILE_REASONS)[number];

export interface ConsumerMetrics {
  processed: Counter;
  rowsWritten: Counter;
  failed: Counter<'kind'>;
  deadLettered: Counter;
  claimed: Counter;
  connections: Counter;
  batchSize: Histogram;
  applySeconds: Histogram;
}

export function createConsumerMetrics(registry: Registry): ConsumerMetrics {
  const registers = [registry];
  const metrics = {
    processed: new Counter({
      name: 'syncproof_events_processed_total',
      help: 'Events whose effect is committed, those that changed nothing (duplicates, stale versions) included.',
      registers,
    }),
    rowsWritten: new Counter({
      name: 'syncproof_rows_written_total',
      help: 'Rows of the read model that events inserted, updated or deleted.',
      registers,
    }),
    failed: new Counter({
      name: 'syncproof_events_failed_total',
      help: 'Failed attempts to apply an event. kind: data (refused), contended (a lock), outage (of the database).',
      labelNames: ['kind'] as const,
      registers,
    }),
    deadLettered: new Counter({
      name: 'syncproof_events_dead_lettered_total',
      help: 'Events that can never be applied and were moved to the dead-letter stream.',
      registers,
    }),
    claimed: new Counter({
      name: 'syncproof_events_claimed_total',
      help: 'Events taken over after a consumer held them for too long, own ones included.',
      registers,
    }),
    connections: new Counter({
      name: 'syncproof_consumer_connected_total',
      help: 'Times the consumer was connected and had drained what it held.',
      registers,
    }),
    batchSize: new Histogram({
      name: 'syncproof_batch_size_events',
      help: 'Events per transaction.',
      buckets: [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000],
      registers,
    }),
    applySeconds: new Histogram({
      name: 'syncproof_apply_seconds',
      help: 'Time to apply one batch, commit included.',
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
      registers,
    }),
  };
  // Shown from the start: a series that appears with the first failure has no increase for an alert to detect.
  for (const kind of FAILURE_KINDS) metrics.failed.inc({ kind }, 0);
  return metrics;
}

export interface ReconcileMetrics {
  missing: Gauge;
  reconciliations: Counter<'reason'>;
  repaired: Counter;
}

export function createReconcileMetrics(registry: Registry): ReconcileMetrics {
  const registers = [registry];
  const metrics = {
    missing: new Gauge({
      name: 'syncproof_events_missing',
      help: 'Published events, by their numbers, that were not taken in although later ones were.',
      registers,
    }),
    reconciliations: new Counter({
      name: 'syncproof_reconciliations_total',
      help: 'Comparisons of the read model with the registry, by what made them due.',
      labelNames: ['reason'] as const,
      registers,
    }),
    repaired: new Counter({
      name: 'syncproof_reconciled_files_total',
      help: 'Files that a comparison with the registry had to repair.',
      registers,
    }),
  };
  for (const reason of RECONCILE_REASONS) metrics.reconciliations.inc({ reason }, 0);
  return metrics;
}

/** What the server knows about the group; undefined while it cannot be asked. */
export interface GroupBacklog {
  pending: number;
  /** Null when Redis itself does not know. It is wrong after trimming (Redis 7: XINFO GROUPS). */
  lag: number | null;
}

/** Gauges that ask Redis when they are scraped; unknown is NaN, never a comforting 0. */
export function registerBacklogGauges(registry: Registry, ask: () => Promise<GroupBacklog | undefined>): void {
  // The gauges of one scrape are collected side by side: one question answers both.
  const backlog = shared(ask);
  const pending = new Gauge({
    name: 'syncproof_events_pending',
    help: 'Events delivered to a consumer of the group and not acknowledged. NaN: unknown.',
    registers: [registry],
    async collect() {
      pending.set((await backlog())?.pending ?? Number.NaN);
    },
  });
  const lag = new Gauge({
    name: 'syncproof_events_lag',
    help: 'Events of the stream not delivered to the group yet, as Redis reckons it. NaN: unknown.',
    registers: [registry],
    async collect() {
      lag.set((await backlog())?.lag ?? Number.NaN);
    },
  });
}
