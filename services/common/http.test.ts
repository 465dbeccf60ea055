import { createHmac, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { SignJWT } from 'jose';
import { afterAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { problemSchema } from '../contract/http.ts';
import { accountOf, createAuthenticator, createJwksKeySource } from './auth.ts';
import { commonSettings, loadSettings } from './config.ts';
import { createHttpService } from './http.ts';
import { createLog, createMetrics } from './log.ts';

const settings = commonSettings('storage');
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const other = generateKeyPairSync('rsa', { modulusLength: 2048 });
const KID = 'key-1';

const app = await createHttpService({
  name: 'storage',
  config: loadSettings(settings, { LOG_LEVEL: 'silent' }),
  settings,
  log: createLog('storage', 'silent'),
  metrics: createMetrics('storage'),
  readiness: async () => ({ ready: false, body: { status: 'unavailable', database: 'unavailable' } }),
  bodyBytesMax: 1000,
});
const auth = createAuthenticator({
  issuer: 'syncproof',
  keys: async (kid) => {
    if (kid === 'unreachable') throw new Error('connect ECONNREFUSED');
    return kid === KID ? publicKey : undefined;
  },
});
app.get('/who', { onRequest: auth.requireRole() }, (request) => ({ client: accountOf(request).clientId }));
app.post('/admin-only', { onRequest: auth.requireRole('ADMIN') }, () => ({}));
app.post(
  '/items',
  {
    schema: {
      body: z.object({ name: z.string(), meta: z.record(z.string(), z.unknown()).optional() }),
      querystring: z.object({ limit: z.coerce.number().int().min(1).max(1000).default(20) }),
    },
  },
  () => ({}),
);
app.get('/bug', () => {
  throw new Error('secret detail');
});
app.get('/away', () => {
  throw Object.assign(new Error('connect ECONNREFUSED 10.0.0.1'), { code: 'ECONNREFUSED' });
});
afterAll(() => app.close());

const nowS = (): number => Math.floor(Date.now() / 1000);

interface Claims {
  issuer?: string;
  notBeforeS?: number;
  expiresS?: number;
  role?: string;
  kid?: string;
  key?: KeyObject;
}

function token({
  issuer = 'syncproof',
  notBeforeS,
  expiresS,
  role = 'USER',
  kid = KID,
  key = privateKey,
}: Claims = {}) {
  return new SignJWT({ type: 'service_account', role, name: 'n', client_id: 'c' })
    .setProtectedHeader({ alg: 'RS256', kid })
    .setIssuer(issuer)
    .setSubject('c')
    .setJti('j')
    .setIssuedAt()
    .setNotBefore(notBeforeS ?? nowS() - 5)
    .setExpirationTime(expiresS ?? nowS() + 60)
    .sign(key);
}

const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

async function forged(header: Record<string, unknown>, sign: (input: string) => string): Promise<string> {
  const [, payload] = (await token()).split('.');
  const input = `${base64url(header)}.${payload}`;
  return `${input}.${sign(input)}`;
}

function flipped(text: string): string {
  const at = text.length - 20;
  return `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`;
}

const hmac = (input: string): string =>
  createHmac('sha256', publicKey.export({ type: 'spki', format: 'pem' }))
    .update(input)
    .digest('base64url');

const BAD_TOKENS: Record<string, () => Promise<string>> = {
  garbage: async () => 'garbage',
  empty: async () => '',
  expired: () => token({ expiresS: nowS() - 1 }),
  'not yet valid': () => token({ notBeforeS: nowS() + 30 }),
  'another issuer': () => token({ issuer: 'someone' }),
  'another key': () => token({ key: other.privateKey }),
  'an unknown kid': () => token({ kid: 'key-2' }),
  'an unknown role': () => token({ role: 'ROOT' }),
  'one flipped bit': async () => flipped(await token()),
  'a last character with other unused bits': async () => {
    const text = await token();
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    return text.slice(0, -1) + alphabet[(alphabet.indexOf(text.at(-1) ?? '') + 1) % 64];
  },
  'alg none': () => forged({ alg: 'none', kid: KID }, () => ''),
  'HS256 with the public key': () => forged({ alg: 'HS256', kid: KID }, hmac),
};

const who = (authorization?: string) =>
  app.inject({ url: '/who', headers: authorization === undefined ? {} : { authorization } });

describe('tokens', () => {
  test('a right one is accepted', async () => {
    expect((await who(`Bearer ${await token()}`)).json()).toEqual({ client: 'c' });
  });

  test.each(Object.keys(BAD_TOKENS))('%s: 401, and the same text for all', async (kind) => {
    const answer = await who(`Bearer ${await BAD_TOKENS[kind]?.()}`);
    expect(answer.statusCode).toBe(401);
    expect(answer.json().detail).toBe('A valid bearer token is needed.');
    expect(answer.headers['www-authenticate']).toBe('Bearer');
  });

  test('none, or another scheme: 401', async () => {
    expect((await who()).statusCode).toBe(401);
    expect((await who('Basic abc')).statusCode).toBe(401);
  });

  test('keys that cannot be fetched: 503, not 401', async () => {
    expect((await who(`Bearer ${await token({ kid: 'unreachable' })}`)).statusCode).toBe(503);
  });

  test('a role that does not suffice: 403', async () => {
    const headers = { authorization: `Bearer ${await token({ role: 'USER' })}` };
    expect((await app.inject({ method: 'POST', url: '/admin-only', headers })).statusCode).toBe(403);
  });

  test('an accepted token is refused once it expired', async () => {
    // In whole seconds: one more would be over at once, at the end of a second.
    const soon = `Bearer ${await token({ expiresS: nowS() + 2 })}`;
    expect((await who(soon)).statusCode).toBe(200);
    await expect.poll(async () => (await who(soon)).statusCode, { timeout: 3000 }).toBe(401);
  });
});

test('keys are fetched once, and again for an unknown kid', async () => {
  const { n, e, kty } = publicKey.export({ format: 'jwk' });
  const keys = [{ n, e, kty, kid: 'a' }];
  let fetches = 0;
  const source = createJwksKeySource({
    url: 'http://issuer',
    fetchIntervalMs: 1,
    fetchJson: async () => {
      fetches++;
      return { keys: [...keys] };
    },
  });
  await Promise.all([source('a'), source('a')]);
  expect(await source('a')).toBeDefined();
  expect(fetches).toBe(1);
  keys.push({ n, e, kty, kid: 'b' });
  expect(await source('b')).toBeDefined();
  expect(await source('c')).toBeUndefined();
  expect(fetches).toBe(3);
});

describe('errors are problem documents', () => {
  const json = { 'content-type': 'application/json' };
  const post = (payload: string, url = '/items', headers: Record<string, string> = json) =>
    app.inject({ method: 'POST', url, payload, headers });

  test.each<[string, number, () => ReturnType<typeof post>, RegExp]>([
    ['unknown path', 404, () => app.inject('/nothing'), /GET \/nothing/],
    ['malformed path', 400, () => app.inject('/%c0%af'), /valid url/],
    ['missing field', 400, () => post('{}'), /^name: /],
    ['wrong parameter', 400, () => post('{"name":"a"}', '/items?limit=0'), /^limit: /],
    ['broken JSON', 400, () => post('{'), /JSON/],
    ['NUL', 400, () => post('{"name":"a\\u0000"}'), /^name: .*NUL/],
    [
      'an integer that would lose digits',
      400,
      () => post('{"name":"a","meta":{"big":9007199254740993}}'),
      /^big: .*exactly/,
    ],
    ['a number beyond all bounds', 400, () => post('{"name":"a","meta":{"huge":1e400}}'), /^huge: .*exactly/],
    ['__proto__', 400, () => post('{"name":"a","meta":{"__proto__":{"b":1}}}'), /^__proto__: /],
    ['lone surrogate', 400, () => post('{"name":"a","meta":{"k":["\\ud800"]}}'), /^meta\.k\.0: .*surrogate/],
    ['deep nesting', 400, () => post(`{"name":"a","meta":{"k":${'['.repeat(200)}${']'.repeat(200)}}}`), /nested/],
    ['other media type', 415, () => post('<a/>', '/items', { 'content-type': 'text/xml' }), /./],
    ['too large', 413, () => post(`{"name":"${'a'.repeat(1000)}"}`), /./],
    ['server away', 503, () => app.inject('/away'), /not available/],
  ])('%s: %i', async (_what, status, act, detail) => {
    const answer = await act();
    expect(answer.statusCode).toBe(status);
    expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
    const problem = problemSchema.parse(answer.json());
    expect(problem.status).toBe(status);
    expect(problem.detail).toMatch(detail);
  });

  test('an unexpected error says nothing about the inside', async () => {
    const answer = await app.inject('/bug');
    expect(answer.statusCode).toBe(500);
    expect(answer.body).not.toContain('secret detail');
    expect(problemSchema.parse(answer.json()).title).toBe('Internal Server Error');
  });
});

test('every service answers health, version, metrics and openapi', async () => {
  expect((await app.inject('/health/live')).statusCode).toBe(200);
  expect((await app.inject('/health/ready')).json()).toEqual({ status: 'unavailable', database: 'unavailable' });
  expect((await app.inject('/health/ready')).statusCode).toBe(503);
  expect((await app.inject('/version')).json()).toMatchObject({ service: 'storage', config: { LOG_LEVEL: 'silent' } });
  expect((await app.inject('/metrics')).body).toContain('http_request_duration_seconds_count');
  expect((await app.inject('/openapi.json')).json().paths).toHaveProperty('/items');
});
