import { Counter, Gauge, type Registry } from 'prom-client';
import { within } from '../common/backoff.ts';

export interface AdminMetrics {
  published: Counter;
  failed: Counter;
}

/** @param backlog asks the database; while it does not answer, the gauges keep their last value */
export function createAdminMetrics(
  registry: Registry,
  backlog: () => Promise<{ pending: number; oldestSeconds: number }>,
): AdminMetrics {
  const registers = [registry];
  const oldest = new Gauge({
    name: 'syncproof_outbox_oldest_age_seconds',
    help: 'Age of the oldest event that is committed and not published; 0 when there is none.',
    registers,
  });
  new Gauge({
    name: 'syncproof_outbox_pending',
    help: 'Events that are committed and not published.',
    registers,
    async collect() {
      try {
        const { pending, oldestSeconds } = await within(800, 'counting the outbox', backlog());
        this.set(pending);
        oldest.set(oldestSeconds);
      } catch {
        // A scrape must not fail with the database; readiness tells that it is away.
      }
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
      help: 'Attempts to publish an event that failed; the event is tried again.',
      registers,
    }),
  };
}
