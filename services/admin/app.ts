import { createAuthenticator } from '../common/auth.ts';
import { createHttpService, type HttpService, type Readiness } from '../common/http.ts';
import type { Log } from '../common/log.ts';
import type { ServiceMetrics } from '../common/metrics.ts';
import type { Pool } from '../common/postgres.ts';
import { addAuthRoutes } from './auth-routes.ts';
import { addFileRoutes } from './file-routes.ts';
import { GuessLimit } from './guesses.ts';
import type { TokenIssuer } from './keys.ts';
import { type AdminSettings, adminSettings } from './settings.ts';
import { addSyncRoutes } from './sync-routes.ts';

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

/** Without Redis writes go on, and their events wait in the outbox: degraded, not unavailable. */
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
