/** Tokens, the registry of files, and the events of its changes: each sent after its commit, with no outbox. */

import { readFileSync } from 'node:fs';
import { checked, text } from './checks.ts';
import { answers, connect, prepare } from './database.ts';
import { commonRoutes, type Reply, type Request, type Routes, serve } from './http.ts';
import { Publisher } from './publisher.ts';
import { connect as connectRedis } from './redis.ts';
import { create, type File, page, read, remove, TABLES, update } from './registry.ts';
import { DELETERS, demandRole, Issuer, READERS, WRITERS } from './tokens.ts';

const { PORT, DATABASE_URL = '', REDIS_URL = '', ACCOUNTS_FILE = '', KEY_FILE = '' } = process.env;

const issuer = new Issuer(readFileSync(KEY_FILE, 'utf8'), JSON.parse(readFileSync(ACCOUNTS_FILE, 'utf8')));
const pool = connect(DATABASE_URL);
const publisher = new Publisher(connectRedis(REDIS_URL, 2000));
await prepare(pool, TABLES);

function publish(type: 'created' | 'updated', file: File): void {
  const { version, ...metadata } = file;
  publisher.publish({
    event_type: `file:${type}`,
    timestamp: file.updated_at,
    file_id: file.file_id,
    storage_element_id: String(file.storage_element_id),
    version: String(version),
    metadata: JSON.stringify(metadata),
  });
}

const only =
  (roles: readonly string[], act: (request: Request) => Promise<Reply>): Routes[string] =>
  async (request) => {
    await demandRole(issuer.keys, request.authorization, roles);
    return act(request);
  };

const routes: Routes = {
  ...commonRoutes('admin', async () => ({
    naive_published_total: publisher.published,
    naive_publish_failed_total: publisher.failed,
    naive_unpublished: publisher.waiting,
  })),
  'GET /health/ready': async () => {
    const up = await answers(pool);
    const cache = publisher.waiting === 0 ? 'ok' : 'degraded';
    return { status: up ? 200 : 503, body: { status: up ? 'ok' : 'down', database: up ? 'ok' : 'down', cache } };
  },
  'POST /api/v1/auth/token': async ({ json }) => {
    const { client_id, client_secret } = checked(await json(), {
      client_id: text(255, 1),
      client_secret: text(1024, 1),
    });
    return { status: 200, body: issuer.token(String(client_id), String(client_secret)) };
  },
  'GET /.well-known/jwks.json': () => ({ status: 200, body: issuer.jwks }),
  'POST /api/v1/files': only(WRITERS, async ({ json }) => {
    const file = await create(pool, await json());
    publish('created', file);
    return { status: 201, body: file };
  }),
  'GET /api/v1/files': only(READERS, async ({ query }) => ({ status: 200, body: await page(pool, query) })),
  'GET /api/v1/files/{id}': only(READERS, async ({ id }) => ({ status: 200, body: await read(pool, id) })),
  'PUT /api/v1/files/{id}': only(WRITERS, async ({ id, json }) => {
    const file = await update(pool, id, await json());
    publish('updated', file);
    return { status: 200, body: file };
  }),
  'DELETE /api/v1/files/{id}': only(DELETERS, async ({ id }) => {
    const removed = await remove(pool, id);
    if (removed === undefined) return { status: 200, body: { file_id: id } };
    const { file, deletedAt } = removed;
    publisher.publish({
      event_type: 'file:deleted',
      timestamp: deletedAt,
      file_id: file.file_id,
      storage_element_id: String(file.storage_element_id),
      version: String(file.version),
      deleted_at: deletedAt,
    });
    return { status: 200, body: { file_id: id, deleted_at: deletedAt } };
  }),
};

serve(routes, Number(PORT), () => publisher.drain());
