import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { afterAll, describe, expect, test } from 'vitest';
import { createAgent, createAuthenticator } from '../common/auth.ts';
import { loadSettings } from '../common/config.ts';
import { createLog, createMetrics } from '../common/log.ts';
import type { Role } from '../contract/http.ts';
import { buildStorage, storageSettings } from '../storage/app.ts';
import { openDeletionKeys } from '../storage/deletion-keys.ts';
import { openObjectStore } from '../storage/object-store.ts';
import { buildIngester, ingesterSettings } from './app.ts';
import { createCleanup } from './cleanup.ts';
import { createRegistryClient, createStorageClient } from './clients.ts';

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const auth = createAuthenticator({ issuer: 'syncproof', keys: async () => publicKey });
const folder = await mkdtemp(join(tmpdir(), 'syncproof-test-'));
const environment = { LOG_LEVEL: 'silent', STORAGE_DIR: folder };
const log = createLog('storage', 'silent');
const agent = createAgent();
const stopping = new AbortController();

const storage = await buildStorage({
  config: loadSettings(storageSettings, environment),
  log,
  metrics: createMetrics('storage'),
  store: await openObjectStore(folder),
  deletionKeys: await openDeletionKeys(folder),
  auth,
});
await storage.listen({ host: '127.0.0.1', port: 0 });
const storageUrl = `http://127.0.0.1:${(storage.server.address() as AddressInfo).port}`;
const client = createStorageClient(storageUrl, agent);
// No server listens there: an upload that gets as far as its registration fails for certain.
const registry = createRegistryClient('http://127.0.0.1:1', agent);
const ingester = await buildIngester({
  config: loadSettings(ingesterSettings, environment),
  log,
  metrics: createMetrics('ingester'),
  auth,
  storage: client,
  registry,
  cleanup: createCleanup({ storage: client, registry, log, signal: stopping.signal }),
  fileBytesMax: 1000,
  storageAnswers: async () => true,
  adminAnswers: async () => true,
});

afterAll(async () => {
  stopping.abort();
  await ingester.close();
  await storage.close();
  await agent.destroy();
  await rm(folder, { recursive: true });
});

async function bearer(role: Role): Promise<{ authorization: string }> {
  const nowS = Math.floor(Date.now() / 1000);
  const token = await new SignJWT({ type: 'service_account', role, name: 'n', client_id: 'c' })
    .setProtectedHeader({ alg: 'RS256', kid: 'k' })
    .setIssuer('syncproof')
    .setSubject('c')
    .setJti('j')
    .setIssuedAt()
    .setNotBefore(nowS - 5)
    .setExpirationTime(nowS + 60)
    .sign(privateKey);
  return { authorization: `Bearer ${token}` };
}

const user = await bearer('USER');
const urlOf = (name: string): string => `/api/v1/objects/${name}`;
const put = (name: string, payload: string) =>
  storage.inject({ method: 'PUT', url: urlOf(name), headers: user, payload: Buffer.from(payload) });
const read = async (name: string) => (await storage.inject({ url: urlOf(name), headers: user })).body;
const remove = (name: string, headers: Record<string, string>) =>
  storage.inject({ method: 'DELETE', url: urlOf(name), headers });

async function storedFiles(): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile() && entry.name !== 'deletion.key').map((entry) => entry.name);
}

describe('storage', () => {
  test('an object that exists is not replaced, and no other account gets a key to it', async () => {
    expect((await put('a.txt', 'first')).statusCode).toBe(201);
    const second = await put('a.txt', 'second');
    expect([second.statusCode, second.json().status]).toEqual([409, 409]);
    expect(await read('a.txt')).toBe('first');
    expect(await readdir(join(folder, 'incoming'))).toEqual([]);
    const asked = await storage.inject({ method: 'POST', url: `${urlOf('a.txt')}/deletion-key`, headers: user });
    expect(asked.statusCode).toBe(409);
    expect((await remove('a.txt', await bearer('ADMIN'))).statusCode).toBe(204);
  });

  test('removing needs an ADMIN or the key of that object, and then no token', async () => {
    const { deletion_key: key } = (await put('b.txt', 'b')).json();
    const { deletion_key: otherKey } = (await put('c.txt', 'c')).json();
    expect((await remove('b.txt', user)).statusCode).toBe(403);
    expect((await remove('b.txt', { ...user, 'x-deletion-key': otherKey })).statusCode).toBe(403);
    expect((await remove('b.txt', { 'x-deletion-key': otherKey })).statusCode).toBe(401);
    expect((await remove('b.txt', { 'x-deletion-key': '' })).statusCode).toBe(401);
    expect(await read('b.txt')).toBe('b');
    expect((await remove('b.txt', { 'x-deletion-key': key })).statusCode).toBe(204);
    expect((await remove('c.txt', { 'x-deletion-key': otherKey })).statusCode).toBe(204);
    expect(await storedFiles()).toEqual([]);
  });

  test('keys stay the same over restarts, and their secret is for its owner only', async () => {
    const [one, two] = await Promise.all([openDeletionKeys(folder), openDeletionKeys(folder)]);
    expect(one.matches('a', two.keyOf('a'))).toBe(true);
    expect((await stat(join(folder, 'deletion.key'))).mode & 0o777).toBe(0o600);
  });
});

describe('an upload that fails leaves nothing in storage', () => {
  const part = (name: string, text: string) =>
    `--b\r\nContent-Disposition: form-data; name="${name}"; filename="a.txt"\r\n\r\n${text}\r\n`;
  const END = '--b--\r\n';

  test.each([
    ['without its registration', part('file', 'hello') + END, 503, /registry/],
    ['a body that ends within the file', part('file', 'hello'.repeat(20)).slice(0, -8), 400, /ends before/],
    ['a body without its end', part('file', 'hello'), 400, /ends before/],
    ['a body that ends within a header', `${part('file', 'hello')}--b\r\nContent-Dis`, 400, /ends before/],
    ['two files', part('file', 'one') + part('file', 'two') + END, 400, /^file: /],
    ['a file that is too large', part('file', 'x'.repeat(1001)) + END, 413, /^file: /],
  ])('%s', async (_what, payload, status, detail) => {
    const headers = { ...user, 'content-type': 'multipart/form-data; boundary=b' };
    const answer = await ingester.inject({ method: 'POST', url: '/api/v1/files/upload', headers, payload });
    expect(answer.json().detail).toMatch(detail);
    expect(answer.statusCode).toBe(status);
    await expect.poll(storedFiles).toEqual([]);
  });

  test('a body without a boundary is refused', async () => {
    const headers = { ...user, 'content-type': 'multipart/form-data' };
    const answer = await ingester.inject({ method: 'POST', url: '/api/v1/files/upload', headers, payload: 'x' });
    expect(answer.statusCode).toBe(400);
  });
});
