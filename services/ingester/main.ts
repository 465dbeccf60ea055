import { answersOk, createAgent, createRemoteAuthenticator } from '../common/auth.ts';
import { runService } from '../common/lifecycle.ts';
import { createMetrics } from '../common/log.ts';
import { buildIngester, ingesterSettings } from './app.ts';
import { createCleanup } from './cleanup.ts';
import { createRegistryClient, createStorageClient } from './clients.ts';

const READY_TIMEOUT_MS = 750;
/** Every upload that is under way, however slow, holds one to storage; more of them wait. */
const CONNECTIONS_MAX = 1024;

await runService('ingester', ingesterSettings, async ({ config, log, resources, signal }) => {
  const agent = createAgent({ connectionsMax: CONNECTIONS_MAX });
  resources.defer(() => agent.destroy());
  const storage = createStorageClient(config.STORAGE_URL, agent);
  const registry = createRegistryClient(config.ADMIN_URL, agent);
  const app = await buildIngester({
    config,
    log,
    metrics: createMetrics('ingester'),
    auth: createRemoteAuthenticator(config, agent, signal),
    storage,
    registry,
    cleanup: createCleanup({ storage, registry, log, signal }),
    fileBytesMax: config.UPLOAD_MAX_BYTES,
    storageAnswers: () => answersOk(agent, `${config.STORAGE_URL}/health/ready`, READY_TIMEOUT_MS),
    adminAnswers: () => answersOk(agent, `${config.ADMIN_URL}/health/ready`, READY_TIMEOUT_MS),
  });
  return { app };
});
