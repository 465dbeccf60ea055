import { fileURLToPath } from 'node:url';
import { createAgent } from '../common/calls.ts';
import { runService } from '../common/lifecycle.ts';
import { createMetrics } from '../common/metrics.ts';
import { closePool, createDatabaseProbe, createPool, migrate } from '../common/postgres.ts';
import { createRemoteAuthenticator } from '../common/verifier.ts';
import { buildQuery } from './app.ts';
import { Consuming, consumerName } from './consuming.ts';
import { createConsumerMetrics, registerBacklogGauges } from './metrics.ts';
import { querySettings } from './settings.ts';

const MIGRATIONS = fileURLToPath(new URL('migrations', import.meta.url));

await runService('query', querySettings, async ({ config, log, resources, signal }) => {
  const pool = createPool({ url: config.DATABASE_URL, log, applicationName: 'syncproof-query' });
  resources.defer(() => closePool(pool));
  // Own connection, not the pool: a burst of searches must not hold up the events, nor a locked row the searches.
  const consumerPool = createPool({
    url: config.DATABASE_URL,
    log,
    applicationName: 'syncproof-query-consumer',
    connectionsMax: 1,
    pipeline: true,
  });
  resources.defer(() => closePool(consumerPool, 300));
  const agent = createAgent();
  resources.defer(() => agent.destroy());
  const metrics = createMetrics('query');
  const consuming = new Consuming({
    redisUrl: config.REDIS_URL,
    stream: config.EVENT_STREAM_NAME,
    group: config.REDIS_CONSUMER_GROUP,
    consumer: consumerName({ host: config.HOST, port: config.PORT }),
    settings: {
      batchSize: config.REDIS_CONSUMER_BATCH_SIZE,
      blockMs: config.REDIS_CONSUMER_BLOCK_MS,
      pendingRetryMs: config.REDIS_PENDING_RETRY_MS,
    },
    pool: consumerPool,
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
    started: () => started,
  });

  async function prepare(): Promise<void> {
    const applied = await migrate(pool, MIGRATIONS);
    if (applied.length > 0) log.info({ applied }, 'migrated');
    started = true;
    consuming.start();
  }
  return { app, prepare };
});
