import type { z } from 'zod';
import { createAuthenticator } from '../common/auth.ts';
import { commonSettings, decimal, integer, onOff, optionalSecretFile, serverSettings, text } from '../common/config.ts';
import { createHttpService, type HttpService, type Readiness } from '../common/http.ts';
import type { Log, ServiceMetrics } from '../common/log.ts';
import type { Pool } from '../common/postgres.ts';
import { EVENT_STREAM_NAME } from '../contract/names.ts';
import { addAuthRoutes, GuessLimit } from './auth-routes.ts';
import { addFileRoutes } from './file-routes.ts';
import type { TokenIssuer } from './keys.ts';
import { addSyncRoutes } from './sync-routes.ts';

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
  /** Wrong secrets for one client id from one address within the window; further ones are refused. */
  AUTH_FAILURES_MAX: integer({ min: 1, max: 1_000_000, fallback: 100 }),
  AUTH_FAILURES_WINDOW_S: integer({ min: 1, max: 86_400, fallback: 60 }),
  AUTH_TOKEN_TTL_S: integer({ min: 1, max: 86_400, fallback: 3600 }),
};
export type AdminSettings = z.output<z.ZodObject<typeof adminSettings>>;

export interface AdminParts {
  config: AdminSettings;
  log: Log;
  metrics: ServiceMetrics;
  pool: Pool;
  issuer: TokenIssuer;
  databaseAnswers: () => Promise<boolean>;
  redisAnswers: () => Promise<boolean>;
  /** False until the schema is there. */
  started: () => boolean;
  /** Called after each commit that wrote an event. */
  committed: () => void;
}

/** Room for a file with a megabyte of user metadata. */
const BODY_BYTES_MAX = 4 * 1024 * 1024;

/** The registry of files: tokens, service accounts, and every change of a file together with its event. */
export async function buildAdmin(parts: AdminParts): Promise<HttpService> {
  const { config, log, metrics, pool, issuer, started } = parts;
  const app = await createHttpService({
    name: 'admin',
    config,
    settings: adminSettings,
    log,
    metrics,
    started,
    bodyBytesMax: BODY_BYTES_MAX,
    readiness: () => readiness(parts),
  });
  const auth = createAuthenticator({ issuer: config.AUTH_ISSUER, keys: issuer.keys });
  const guesses = new GuessLimit({ max: config.AUTH_FAILURES_MAX, windowS: config.AUTH_FAILURES_WINDOW_S });
  addAuthRoutes(app, { pool, issuer, guesses });
  addFileRoutes({ app, pool, auth, committed: parts.committed });
  addSyncRoutes(app, pool, auth);
  return app;
}

/** Without Redis writes continue, and their events wait in the outbox: degraded, not unavailable. */
async function readiness({ databaseAnswers, redisAnswers, started }: AdminParts): Promise<Readiness> {
  const [database, cache] = await Promise.all([databaseAnswers(), redisAnswers()]);
  const ready = database && started();
  return {
    ready,
    body: {
      status: !ready ? 'unavailable' : cache ? 'ready' : 'degraded',
      database: database ? 'ok' : 'unavailable',
      cache: cache ? 'ok' : 'degraded',
    },
  };
}
