import type { z } from 'zod';
import { EVENT_STREAM_NAME } from '../../harness/contract/names.ts';
import { commonSettings, decimal, integer, onOff, optionalSecretFile, serverSettings, text } from '../common/config.ts';

export const adminSettings = {
  ...commonSettings('admin'),
  ...serverSettings(),
  EVENT_PUBLISH_ENABLED: onOff(true),
  /** Seconds. */
  EVENT_PUBLISH_TIMEOUT: decimal({ min: 0.1, max: 60, fallback: 5 }),
  EVENT_STREAM_NAME: text(EVENT_STREAM_NAME),
  EVENT_STREAM_MAXLEN: integer({ min: 1, max: 1_000_000_000, fallback: 10_000 }),
  EVENT_STREAM_RETENTION_HOURS: decimal({ min: 0, max: 100_000, fallback: 24 }),
  OUTBOX_POLL_MS: integer({ min: 1, max: 2000, fallback: 10 }),
  AUTH_PRIVATE_KEY_FILE: optionalSecretFile(),
  AUTH_CLIENTS_FILE: optionalSecretFile(),
  /** Wrong secrets for one client id from one address within the window; further ones are not listened to. */
  AUTH_FAILURES_MAX: integer({ min: 1, max: 1_000_000, fallback: 100 }),
  AUTH_FAILURES_WINDOW_S: integer({ min: 1, max: 86_400, fallback: 60 }),
  AUTH_TOKEN_TTL_S: integer({ min: 1, max: 86_400, fallback: 3600 }),
};
export type AdminSettings = z.output<z.ZodObject<typeof adminSettings>>;
