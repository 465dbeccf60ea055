import { Counter, Gauge, type Registry } from 'prom-client';
import { shared, within } from '../common/backoff.ts';

interface Backlog {
  pending: number;
  oldestSeconds: number;
}

export interface AdminMetrics {
  published: Counter;
  failed: Counter;
}

/** @param backlog queries the database; while it does not answer, the gauges keep their last value */
export function createAdminMetrics(registry: Registry, backlog: () => Promise<Backlog>): AdminMetrics {
  const registers = [registry];
  // Both gauges of a scrape come from one query.
  const askOnce = shared(() =>
    // A scrape must not fail with the database; readiness reports the outage.
    within(800, 'counting the outbox', backlog()).catch(() => undefined),
  );
  new Gauge({
    name: 'syncproof_outbox_pending',
    help: 'Events that are committed and not published.',
    registers,
    async collect() {
      const known = await askOnce();
      if (known !== undefined) this.set(known.pending);
    },
  });
  new Gauge({
    name: 'syncproof_outbox_oldest_age_seconds',
    help: 'Age of the oldest event that is committed and not published; 0 when there is none.',
    registers,
    async collect() {
      const known = await askOnce();
      if (known !== undefined) this.set(known.oldestSeconds);
    },
  });
  return {
    published: new Counter({
      name: 'syncproof_events_published_total',
      help: 'Events that Redis acknowledged.',
      registers,
    }),
    failed: new Counter({
      name: 'syncproof_events_publish_failed_total',
      help: 'Attempts to publish a batch of events that failed; the batch is tried again.',
      registers,
    }),
  };
}
