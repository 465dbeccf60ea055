/** Names and numbers of the pipeline's contract, exactly as a target must use them. */
export const SERVICE_NAMES = ['storage', 'admin', 'ingester', 'query'] as const;
export type ServiceName = (typeof SERVICE_NAMES)[number];

export const SERVER_NAMES = ['redis', 'postgres'] as const;
export type ServerName = (typeof SERVER_NAMES)[number];

export const STANDARD_PORTS: Record<ServiceName, number> = { admin: 8000, storage: 8010, ingester: 8020, query: 8030 };

export const EVENT_STREAM_NAME = 'file-events';
export const CONSUMER_GROUP = 'query-module-consumers';
export const READ_MODEL_TABLE = 'file_metadata_cache';
export const DEAD_LETTER_STREAM_SUFFIX = ':dead-letter';

export const PROFILE_NAMES = ['default', 'classic'] as const;
export type ProfileName = (typeof PROFILE_NAMES)[number];

/**
 * Settings (environment variables) that a profile sets on every service; what is absent is the service's own default.
 */
export const PROFILES: Record<ProfileName, Record<string, string>> = {
  default: {},
  classic: {
    EVENT_PUBLISH_ENABLED: 'on',
    EVENT_PUBLISH_TIMEOUT: '5',
    EVENT_STREAM_NAME,
    EVENT_STREAM_MAXLEN: '10000',
    EVENT_STREAM_RETENTION_HOURS: '24',
    REDIS_CONSUMER_GROUP: CONSUMER_GROUP,
    REDIS_CONSUMER_BATCH_SIZE: '10',
    REDIS_CONSUMER_BLOCK_MS: '5000',
    REDIS_PENDING_RETRY_MS: '60000',
  },
};

/** One series of the Prometheus format, and the service whose `/metrics` shows it. */
interface MetricSource {
  service: ServiceName;
  name: string;
}

/** Metrics of event processing. The contract requires the figures; the names are the reference's. */
export const EVENT_METRICS = {
  /** Counts events that Redis accepted. */
  published: { service: 'admin', name: 'syncproof_events_published_total' },
  /** Counts attempts to publish that failed. */
  failed: { service: 'admin', name: 'syncproof_events_publish_failed_total' },
  /** Counts events whose effect is committed. */
  processed: { service: 'query', name: 'syncproof_events_processed_total' },
  /** Counts events moved to the dead-letter stream. */
  deadLettered: { service: 'query', name: 'syncproof_events_dead_lettered_total' },
  /** Events that were delivered and are not acknowledged. */
  pending: { service: 'query', name: 'syncproof_events_pending' },
  /** Events that were not delivered yet. */
  lag: { service: 'query', name: 'syncproof_events_lag' },
} as const satisfies Record<string, MetricSource>;

export type EventMetric = keyof typeof EVENT_METRICS;

/** A pipeline's own names for these, where they differ. */
export type MetricNames = Readonly<Partial<Record<EventMetric, string>>>;
