import { createAgent, createRemoteAuthenticator } from '../common/auth.ts';
import { runService } from '../common/lifecycle.ts';
import { createMetrics } from '../common/log.ts';
import { buildStorage, storageSettings } from './app.ts';
import { openDeletionKeys } from './deletion-keys.ts';
import { openObjectStore } from './object-store.ts';

await runService('storage', storageSettings, async ({ config, log, resources, signal }) => {
  const agent = createAgent();
  resources.defer(() => agent.destroy());
  const store = await openObjectStore(config.STORAGE_DIR);
  const deletionKeys = await openDeletionKeys(config.STORAGE_DIR);
  const auth = createRemoteAuthenticator(config, agent, signal);
  return { app: await buildStorage({ config, log, metrics: createMetrics('storage'), store, deletionKeys, auth }) };
});
