/** Searches, and the consumer that fills what is searched. */
import { uuid } from './checks.ts';
import { backlogOf, Consumer } from './consumer.ts';
import { answers, connect, prepare } from './database.ts';
import { commonRoutes, Refusal, type Routes, serve } from './http.ts';
import { TABLES } from './read-model.ts';
import { connect as connectRedis } from './redis.ts';
import { find, search } from './search.ts';
import { demandRole, publishedKeys, READERS } from './tokens.ts';

const { PORT, DATABASE_URL = '', REDIS_URL = '', ADMIN_URL = '', PENDING_RETRY_MS = '10000' } = process.env;

const keys = publishedKeys(`${ADMIN_URL}/.well-known/jwks.json`);
const pool = connect(DATABASE_URL);
await prepare(pool, TABLES);
/** Not the consumer's connection, which is blocked most of the time. */
const observer = connectRedis(REDIS_URL, 2000);
const consumer = new Consumer({
  redis: connectRedis(REDIS_URL, 3000),
  pool,
  // The same in every life, so that it finds what it was given before.
  name: `query-module-${PORT}`,
  retryMs: Number(PENDING_RETRY_MS),
});
const consuming = consumer.run();

const routes: Routes = {
  ...commonRoutes('query', async () => {
    const { pending, lag } = await backlogOf(observer);
    return {
      naive_processed_total: consumer.processed,
      naive_dead_lettered_total: consumer.deadLettered,
      naive_pending: pending,
      naive_lag: lag,
    };
  }),
  'GET /health/ready': async () => {
    const up = await answers(pool);
    const cache = consumer.connected ? 'ok' : 'degraded';
    return { status: up ? 200 : 503, body: { status: up ? 'ok' : 'down', database: up ? 'ok' : 'down', cache } };
  },
  'POST /api/search': async ({ authorization, json }) => {
    await demandRole(keys, authorization, READERS);
    return { status: 200, body: await search(pool, await json()) };
  },
  'GET /api/search/{id}': async ({ authorization, id }) => {
    await demandRole(keys, authorization, READERS);
    const file = uuid(id) === undefined ? await find(pool, id) : undefined;
    if (file === undefined) throw new Refusal(404, `There is no file ${id}`);
    return { status: 200, body: file };
  },
};

serve(routes, Number(PORT), async () => {
  consumer.stop();
  await consuming;
});
