import type { z } from 'zod';
import {
  commonSettings,
  httpUrl,
  integer,
  optionalSecret,
  optionalText,
  serverSettings,
  text,
  verifierSettings,
} from '../common/config.ts';
import { CONSUMER_GROUP, EVENT_STREAM_NAME, STANDARD_PORTS } from '../contract/names.ts';

export const querySettings = {
  ...commonSettings('query'),
  ...verifierSettings(),
  ...serverSettings(),
  STORAGE_URL: httpUrl(`http://127.0.0.1:${STANDARD_PORTS.storage}`),
  EVENT_STREAM_NAME: text(EVENT_STREAM_NAME),
  REDIS_CONSUMER_GROUP: text(CONSUMER_GROUP),
  REDIS_CONSUMER_BATCH_SIZE: integer({ min: 1, max: 5000, fallback: 500 }),
  // 0 would block for ever; a minute is longer than any sensible watchdog.
  REDIS_CONSUMER_BLOCK_MS: integer({ min: 10, max: 60_000, fallback: 1000 }),
  REDIS_PENDING_RETRY_MS: integer({ min: 100, max: 86_400_000, fallback: 10_000 }),
  /**
   * This service's own account at admin, for comparing the read model with the registry; none: lost events are only
   * reported.
   */
  AUTH_CLIENT_ID: optionalText(),
  AUTH_CLIENT_SECRET: optionalSecret(),
  /** How often the read model is compared with the registry without a reason, in seconds. */
  RECONCILE_INTERVAL_S: integer({ min: 1, max: 86_400, fallback: 300 }),
};
export type QuerySettings = z.output<z.ZodObject<typeof querySettings>>;
