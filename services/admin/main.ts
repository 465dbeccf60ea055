import { fileURLToPath } from 'node:url';
import { runService } from '../common/lifecycle.ts';
import { createMetrics } from '../common/log.ts';
import { closePool, createDatabaseProbe, createPool, migrate } from '../common/postgres.ts';
import { closeRedis, createRedisClient, createRedisProbe } from '../common/redis.ts';
import { readClientsFile, upsertAccounts } from './accounts.ts';
import { adminSettings, buildAdmin } from './app.ts';
import { createTokenIssuer } from './keys.ts';
import { createAdminMetrics } from './metrics.ts';
import { type OutboxRelay, startOutboxRelay } from './outbox-relay.ts';
import { openLeaderSession, outboxBacklog } from './outbox-store.ts';

const MIGRATIONS = fileURLToPath(new URL('migrations', import.meta.url));
/** A publish without an answer for this long is given up, or after EVENT_PUBLISH_TIMEOUT when that is shorter. */
const PUBLISH_TIMEOUT_MS_MAX = 2000;

await runService('admin', adminSettings, async ({ config, log, resources }) => {
  const database = { url: config.DATABASE_URL, ca: config.DATABASE_CA_FILE, log };
  const pool = createPool({ ...database, applicationName: 'syncproof-admin' });
  resources.defer(() => closePool(pool));
  const socketTimeoutMs = Math.min(config.EVENT_PUBLISH_TIMEOUT * 1000, PUBLISH_TIMEOUT_MS_MAX);
  const server = { url: config.REDIS_URL, ca: config.REDIS_CA_FILE };
  const redis = createRedisClient({ ...server, log, name: 'admin-publisher', socketTimeoutMs });
  resources.defer(() => closeRedis(redis));
  const metrics = createMetrics('admin');
  const events = createAdminMetrics(metrics.registry, () => outboxBacklog(pool));
  const issuer = createTokenIssuer({
    issuer: config.AUTH_ISSUER,
    ttlS: config.AUTH_TOKEN_TTL_S,
    privateKeyFile: config.AUTH_PRIVATE_KEY_FILE,
  });
  // Hashing takes a while; it runs beside the rest of the start.
  const clients = config.AUTH_CLIENTS_FILE === undefined ? undefined : readClientsFile(config.AUTH_CLIENTS_FILE);

  let started = false;
  let relay: OutboxRelay | undefined;
  resources.defer(async () => relay?.stop());

  const app = await buildAdmin({
    config,
    log,
    metrics,
    pool,
    issuer,
    databaseAnswers: createDatabaseProbe(pool),
    redisAnswers: createRedisProbe(redis),
    started: () => started,
    committed: () => relay?.wake(),
  });

  async function prepare(): Promise<void> {
    await issuer.jwks();
    const applied = await migrate(pool, MIGRATIONS);
    if (applied.length > 0) log.info({ applied }, 'migrated');
    if (clients !== undefined) await upsertAccounts(pool, await clients);
    started = true;
    if (!config.EVENT_PUBLISH_ENABLED) return;
    relay ??= startOutboxRelay({
      openSession: () => openLeaderSession({ ...database, applicationName: 'syncproof-admin-relay' }),
      redis,
      log,
      streamName: config.EVENT_STREAM_NAME,
      streamEntriesMax: config.EVENT_STREAM_MAXLEN,
      pollMs: config.OUTBOX_POLL_MS,
      retentionHours: config.EVENT_STREAM_RETENTION_HOURS,
      onPublished: (count) => events.published.inc(count),
      onFailed: () => events.failed.inc(),
    });
  }
  return { app, prepare };
});
