import { fileURLToPath } from 'node:url';
import { createAgent, createRemoteAuthenticator } from '../common/auth.ts';
import { runService } from '../common/lifecycle.ts';
import { createMetrics } from '../common/log.ts';
import { closePool, createDatabaseProbe, createPool, migrate } from '../common/postgres.ts';
import { buildQuery } from './app.ts';
import { Consuming, consumerName } from './consuming.ts';
import { createConsumerMetrics, createReconcileMetrics, registerBacklogGauges } from './metrics.ts';
import { Reconciler } from './reconciler.ts';
import { createRegistryClient } from './registry-client.ts';
import { SequenceLog } from './sequence-log.ts';
import { querySettings } from './settings.ts';

/** A digest of a million rows takes a second or two. */
const RECONCILE_QUERY_TIMEOUT_MS = 30_000;
const MIGRATIONS = fileURLToPath(new URL('migrations', import.meta.url));

await runService('query', querySettings, async ({ config, log, resources, signal }) => {
  const database = { url: config.DATABASE_URL, ca: config.DATABASE_CA_FILE, log };
  const pool = createPool({ ...database, applicationName: 'syncproof-query' });
  resources.defer(() => closePool(pool));
  // Own connection, not the pool: a burst of searches must not delay the events, nor a locked row the searches.
  const consumerPool = createPool({
    ...database,
    applicationName: 'syncproof-query-consumer',
    connectionsMax: 1,
    pipeline: true,
  });
  resources.defer(() => closePool(consumerPool, 300));
  const agent = createAgent();
  resources.defer(() => agent.destroy());
  const metrics = createMetrics('query');
  const sequences = new SequenceLog(pool);
  const { AUTH_CLIENT_ID: clientId, AUTH_CLIENT_SECRET: clientSecret } = config;
  const reconciler = new Reconciler({
    connect: () =>
      createPool({
        ...database,
        applicationName: 'syncproof-query-reconcile',
        connectionsMax: 3,
        queryTimeoutMs: RECONCILE_QUERY_TIMEOUT_MS,
        pipeline: true,
      }),
    registry:
      clientId === undefined || clientSecret === undefined
        ? undefined
        : createRegistryClient({ adminUrl: config.ADMIN_URL, clientId, clientSecret, agent, signal }),
    sequences,
    metrics: createReconcileMetrics(metrics.registry),
    log,
    intervalMs: config.RECONCILE_INTERVAL_S * 1000,
    signal,
  });
  let reconciling: Promise<void> | undefined;
  resources.defer(async () => reconciling);
  const consuming = new Consuming({
    redis: { url: config.REDIS_URL, ca: config.REDIS_CA_FILE },
    stream: config.EVENT_STREAM_NAME,
    group: config.REDIS_CONSUMER_GROUP,
    consumer: consumerName({ host: config.HOST, port: config.PORT }),
    settings: {
      batchSize: config.REDIS_CONSUMER_BATCH_SIZE,
      blockMs: config.REDIS_CONSUMER_BLOCK_MS,
      pendingRetryMs: config.REDIS_PENDING_RETRY_MS,
    },
    pool: consumerPool,
    sequences,
    onLoss: (reason) => reconciler.request(reason),
    metrics: createConsumerMetrics(metrics.registry),
    log,
    signal,
  });
  resources.use(consuming);
  registerBacklogGauges(metrics.registry, () => consuming.backlog());

  let started = false;
  const app = await buildQuery({
    config,
    log,
    metrics,
    pool,
    agent,
    auth: createRemoteAuthenticator(config, agent, signal),
    databaseAnswers: createDatabaseProbe(pool),
    eventsFlow: () => consuming.isHealthy(),
    deadLetters: consuming.deadLetters,
    started: () => started,
  });

  async function prepare(): Promise<void> {
    const applied = await migrate(pool, MIGRATIONS);
    if (applied.length > 0) log.info({ applied }, 'migrated');
    started = true;
    consuming.start();
    reconciler.request('boot');
    reconciling ??= reconciler.run();
  }
  return { app, prepare };
});
