import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Environment } from '../../harness/environment/common/environment.ts';
import { startReference } from '../../harness/environment/fixtures/reference.ts';
import { createLog, createMetrics } from '../common/log.ts';
import { createPool, migrate, type Pool } from '../common/postgres.ts';
import { SERVICE_NAMES } from '../contract/names.ts';
import { createReconcileMetrics } from './metrics.ts';
import { Reconciler } from './reconciler.ts';
import { NotOfferedError, type RegistryClient } from './registry-client.ts';
import { SequenceLog } from './sequence-log.ts';

const MIGRATIONS = fileURLToPath(new URL('./migrations', import.meta.url));
const log = createLog('query', 'silent');

let environment: Environment;
let pool: Pool;

beforeAll(async () => {
  environment = await startReference({ deferred: SERVICE_NAMES });
  pool = connect();
  await migrate(pool, MIGRATIONS);
}, 60_000);

afterAll(async () => {
  await pool?.end();
  await environment?.stop();
});

function connect(): Pool {
  const { host, port, database, user, password } = environment.databaseAccess('query');
  const url = `postgres://${user}:${password}@${host}:${port}/${database}`;
  return createPool({ url, log, applicationName: 'test', connectionsMax: 3, pipeline: true });
}

/** A registry without files: `asked` is called for each request of digests, and may fail. */
async function comparing(
  asked: (time: number, reconciler: Reconciler) => void,
  { intervalMs, until }: { intervalMs: number; until: number },
): Promise<number> {
  const over = new AbortController();
  let times = 0;
  const registry: RegistryClient = {
    async digests() {
      times++;
      asked(times, reconciler);
      return [];
    },
    entries: async () => [],
    states: async () => [],
  };
  const reconciler = new Reconciler({
    connect,
    registry,
    log,
    intervalMs,
    sequences: new SequenceLog(pool),
    signal: over.signal,
    metrics: createReconcileMetrics(createMetrics('query').registry),
  });
  const running = reconciler.run();
  reconciler.request('redis-changed');
  try {
    await expect.poll(() => times, { timeout: 10_000 }).toBeGreaterThanOrEqual(until);
  } finally {
    over.abort();
    await running;
  }
  return times;
}

test('what is lost while the registry is compared with makes another comparison due', async () => {
  const again = (time: number, reconciler: Reconciler): void => {
    if (time === 1) reconciler.request('redis-changed');
  };
  expect(await comparing(again, { intervalMs: 3_600_000, until: 2 })).toBe(2);
});

test('a registry that offers no comparison is asked again later: a proxy may have answered for it', async () => {
  const notOffered = (time: number): void => {
    if (time === 1) throw new NotOfferedError('GET /api/v1/sync/digests of admin answered 404');
  };
  expect(await comparing(notOffered, { intervalMs: 200, until: 2 })).toBeGreaterThanOrEqual(2);
});
