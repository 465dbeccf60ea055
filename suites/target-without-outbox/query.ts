/**
 * Query of the pipeline without outbox (see admin.ts): searches, and the consumer that fills what is searched.
 * Settings: PORT, DATABASE_URL, REDIS_URL, ADMIN_URL, PENDING_RETRY_MS (how long an entry is another consumer's).
 */

import { createRemoteJWKSet } from 'jose';
import { backlogOf, Consumer } from './consumer.ts';
import { find, SEARCH, search, TABLES } from './read-model.ts';
import { createService, type OfId, ofId, openDatabase, openRedis, Refusal, serve } from './service.ts';
import { guard } from './tokens.ts';

const { PORT, DATABASE_URL = '', REDIS_URL = '', ADMIN_URL = '', PENDING_RETRY_MS = '10000' } = process.env;

const pool = await openDatabase(DATABASE_URL, TABLES);
/** Not the consumer's connection, which is blocked most of the time. */
const observer = openRedis(REDIS_URL, 2000);
const consumer = new Consumer({
  redis: openRedis(REDIS_URL, 3000),
  pool,
  // The same in every life, so that it finds what it was given before.
  name: `query-module-${PORT}`,
  retryMs: Number(PENDING_RETRY_MS),
});
const consuming = consumer.run();

const app = createService({
  name: 'query',
  pool,
  connected: () => consumer.connected,
  metrics: async () => {
    const { pending, lag } = await backlogOf(observer);
    const { processed, deadLettered } = consumer;
    return {
      events_processed_total: processed,
      events_dead_lettered_total: deadLettered,
      events_pending: pending,
      events_lag: lag,
    };
  },
});
// Known keys serve while admin is unavailable.
const keys = createRemoteJWKSet(new URL('/.well-known/jwks.json', ADMIN_URL), {
  cacheMaxAge: Number.POSITIVE_INFINITY,
  timeoutDuration: 2000,
});
const readers = guard(keys)('ADMIN', 'USER', 'READONLY');

app.post<{ Body: Record<string, unknown> }>('/api/search', { ...readers, schema: { body: SEARCH } }, ({ body }) =>
  search(pool, body),
);
app.get<OfId>('/api/search/:id', { ...readers, schema: { params: ofId } }, async ({ params: { id } }) => {
  const file = await find(pool, id);
  if (file === undefined) throw new Refusal(404, `There is no file ${id}`);
  return file;
});

await serve(app, Number(PORT), async () => {
  consumer.stop();
  await consuming;
  await consumer.leave().catch((error: Error) => console.error(`left with its name in the group: ${error}`));
});
