/**
 * Admin of a small pipeline as a stranger might write it from the contract alone: nothing is shared with the reference,
 * and there is no outbox. The suite is tried on it (suites/gate/try-external.ts): it must let it pass where it is right,
 * and fail it where it loses events.
 * Here: tokens, the registry of files, and the events of its changes, each sent from memory after its commit.
 * Settings: PORT, DATABASE_URL, REDIS_URL, KEY_FILE (an RSA key, PEM), ACCOUNTS_FILE (JSON: a list of accounts).
 */

import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { createLocalJWKSet } from 'jose';
import { CHANGES, create, type File, NEW_FILE, PAGE, page, read, remove, TABLES, update } from './registry.ts';
import { createService, type OfId, object, ofId, openDatabase, openRedis, serve, text } from './service.ts';
import { type Credentials, createIssuer, guard } from './tokens.ts';

const { PORT, DATABASE_URL = '', REDIS_URL = '', ACCOUNTS_FILE = '', KEY_FILE = '' } = process.env;

const STREAM = 'file-events';
const STREAM_ENTRIES_MAX = 10_000;
const RETRY_MS = 250;
const DRAIN_MS = 3000;

/**
 * Sends events after the commit, one after the other, from a queue in memory: an outage of Redis may last as long as
 * this process lives. What it holds dies with it, for nothing but the process knows what is not yet sent.
 */
class Publisher {
  readonly #redis: Redis;
  #sent = Promise.resolve();
  waiting = 0;
  published = 0;
  failed = 0;

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  publish(type: 'created' | 'updated' | 'deleted', file: File, timestamp: string, rest: Record<string, string>): void {
    const { file_id, version, storage_element_id } = file;
    const ids = { file_id, storage_element_id: String(storage_element_id), version: String(version) };
    const fields = Object.entries({ event_type: `file:${type}`, timestamp, ...ids, ...rest }).flat();
    this.waiting++;
    this.#sent = this.#sent.then(() => this.#send(fields));
  }

  /** Waits a little for what is not sent. */
  drain(): Promise<void> {
    return Promise.race([this.#sent, sleep(DRAIN_MS)]);
  }

  async #send(fields: readonly string[]): Promise<void> {
    for (;;) {
      try {
        await this.#redis.xadd(STREAM, 'MAXLEN', '~', STREAM_ENTRIES_MAX, '*', ...fields);
        this.waiting--;
        this.published++;
        return;
      } catch (error) {
        if (this.failed++ % 100 === 0) console.error(`not published, tried again: ${error}`);
        await sleep(RETRY_MS);
      }
    }
  }
}

const issuer = await createIssuer(readFileSync(KEY_FILE, 'utf8'), JSON.parse(readFileSync(ACCOUNTS_FILE, 'utf8')));
const pool = await openDatabase(DATABASE_URL, TABLES);
const publisher = new Publisher(openRedis(REDIS_URL, 2000));

function publishState(type: 'created' | 'updated', file: File): File {
  const { version: _version, ...metadata } = file;
  publisher.publish(type, file, file.updated_at, { metadata: JSON.stringify(metadata) });
  return file;
}

const app = createService({
  name: 'admin',
  pool,
  connected: () => publisher.waiting === 0,
  metrics: async () => ({
    events_published_total: publisher.published,
    events_publish_failed_total: publisher.failed,
    events_unpublished: publisher.waiting,
  }),
});
const allow = guard(createLocalJWKSet(issuer.jwks));
const [readers, writers, deleters] = [allow('ADMIN', 'USER', 'READONLY'), allow('ADMIN', 'USER'), allow('ADMIN')];

const credentials = { client_id: text(255, 1), client_secret: text(1024, 1) };
app.post<{ Body: Credentials }>(
  '/api/v1/auth/token',
  { schema: { body: object(credentials, Object.keys(credentials)) } },
  ({ body }) => issuer.token(body),
);
app.get('/.well-known/jwks.json', () => issuer.jwks);
app.post<{ Body: Partial<File> }>(
  '/api/v1/files',
  { ...writers, schema: { body: NEW_FILE } },
  async ({ body }, reply) => reply.code(201).send(publishState('created', await create(pool, body))),
);
app.get<{ Querystring: { page: string; page_size: string } }>(
  '/api/v1/files',
  { ...readers, schema: { querystring: PAGE } },
  ({ query }) => page(pool, Number(query.page), Number(query.page_size)),
);
app.get<OfId>('/api/v1/files/:id', { ...readers, schema: { params: ofId } }, ({ params }) => read(pool, params.id));
app.put<OfId & { Body: Partial<File> }>(
  '/api/v1/files/:id',
  { ...writers, schema: { params: ofId, body: CHANGES } },
  async ({ params, body }) => publishState('updated', await update(pool, params.id, body)),
);
app.delete<OfId>('/api/v1/files/:id', { ...deleters, schema: { params: ofId } }, async ({ params: { id } }) => {
  const removed = await remove(pool, id);
  if (removed === undefined) return { file_id: id };
  const { deleted_at } = removed;
  publisher.publish('deleted', removed, deleted_at, { deleted_at });
  return { file_id: id, deleted_at };
});

await serve(app, Number(PORT), () => publisher.drain());
