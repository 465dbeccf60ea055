import type { KeyObject, webcrypto } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { decodeProtectedHeader, errors, importJWK, type JWK, jwtVerify } from 'jose';
import { Agent, request } from 'undici';
import { z } from 'zod';
import { ROLES, type Role } from '../contract/http.ts';
import { pause, retryUntilDone, shared } from './backoff.ts';
import { HttpProblem } from './problem.ts';

/** The only algorithm that is accepted: a token cannot choose `none`, nor HS256 with the public key as its secret. */
export const TOKEN_ALGORITHM = 'RS256';
const RSA_KEY_BITS_MIN = 2048;

/** Who calls. `token` is kept so that a service can call the next one in the caller's name. */
export interface Account {
  clientId: string;
  name: string;
  role: Role;
  token: string;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by `requireRole`; absent on calls that need no token. */
    account?: Account;
  }
}

export type VerificationKey = webcrypto.CryptoKey | KeyObject;

/**
 * Gives the public key of a `kid`, or undefined when the issuer has no such key.
 * @throws when the issuer cannot be reached
 */
export type KeySource = (kid: string) => Promise<VerificationKey | undefined>;

const claimsSchema = z.object({
  sub: z.string(),
  type: z.literal('service_account'),
  role: z.enum(ROLES),
  name: z.string(),
  client_id: z.string(),
  exp: z.number(),
});

export interface Authenticator {
  /** Checks signature, algorithm, issuer and times. @throws HttpProblem 401, or 503 when the keys are unavailable */
  verify(token: string): Promise<Account>;
  /** A hook for `onRequest`, so that a call is refused before its body is read. No role named: any role will do. */
  requireRole(...roles: readonly Role[]): (request: FastifyRequest) => Promise<void>;
}

function unauthorized(): HttpProblem {
  // One text for all causes: the caller learns nothing about which part of the token was wrong.
  return new HttpProblem(401, 'A valid bearer token is needed.', { headers: { 'www-authenticate': 'Bearer' } });
}

/** Tokens whose signature was checked a moment ago are not checked again for this time. */
const REMEMBERED_MS = 30_000;
const REMEMBERED_MAX = 1000;

export function createAuthenticator({ issuer, keys }: { issuer: string; keys: KeySource }): Authenticator {
  const remembered = new Map<string, { account: Account; untilMs: number }>();

  async function keyOf(token: string): Promise<VerificationKey> {
    let header: ReturnType<typeof decodeProtectedHeader>;
    try {
      header = decodeProtectedHeader(token);
    } catch (error) {
      if (error instanceof TypeError || error instanceof errors.JOSEError) throw unauthorized();
      throw error;
    }
    if (header.alg !== TOKEN_ALGORITHM || typeof header.kid !== 'string') throw unauthorized();
    let key: VerificationKey | undefined;
    try {
      key = await keys(header.kid);
    } catch (cause) {
      throw new HttpProblem(503, 'The keys that verify tokens cannot be fetched.', {
        cause,
        headers: { 'retry-after': '1' },
      });
    }
    if (key === undefined) throw unauthorized();
    return key;
  }

  async function verify(token: string): Promise<Account> {
    const known = remembered.get(token);
    if (known !== undefined && known.untilMs > Date.now()) return known.account;
    if (!isCanonical(token)) throw unauthorized();
    const key = await keyOf(token);
    let payload: unknown;
    try {
      const requiredClaims = ['exp', 'nbf', 'iat', 'sub', 'jti'];
      ({ payload } = await jwtVerify(token, key, { algorithms: [TOKEN_ALGORITHM], issuer, requiredClaims }));
    } catch (error) {
      if (error instanceof errors.JOSEError || error instanceof TypeError) throw unauthorized();
      throw error;
    }
    const claims = claimsSchema.safeParse(payload);
    if (!claims.success) throw unauthorized();
    const { client_id: clientId, name, role, exp } = claims.data;
    const account = { clientId, name, role, token };
    if (remembered.size >= REMEMBERED_MAX) remembered.clear();
    remembered.set(token, { account, untilMs: Math.min(Date.now() + REMEMBERED_MS, exp * 1000) });
    return account;
  }

  return {
    verify,
    requireRole: (...roles) => {
      return async (request) => {
        const [scheme, token, ...rest] = (request.headers.authorization ?? '').split(' ');
        if (scheme?.toLowerCase() !== 'bearer' || !token || rest.length > 0) throw unauthorized();
        const account = await verify(token);
        if (roles.length > 0 && !roles.includes(account.role)) {
          throw new HttpProblem(403, `This call needs the role ${roles.join(' or ')}; the token has ${account.role}.`);
        }
        request.account = account;
      };
    },
  };
}

/**
 * True when every part is the one encoding of its bytes. Bits that base64url leaves unused in a last character could
 * else be changed without changing what is signed.
 */
function isCanonical(token: string): boolean {
  return token.split('.').every((part) => Buffer.from(part, 'base64url').toString('base64url') === part);
}

/** The account of a request on a route guarded by `requireRole`. */
export function accountOf(request: FastifyRequest): Account {
  if (request.account === undefined) throw new Error(`${request.routeOptions.url} is not guarded by requireRole`);
  return request.account;
}

const jwksSchema = z.object({
  keys: z.array(z.looseObject({ kty: z.string(), kid: z.string().optional(), n: z.string().optional() })),
});

async function importKeys(document: unknown): Promise<Map<string, VerificationKey>> {
  const imported = new Map<string, VerificationKey>();
  for (const key of jwksSchema.parse(document).keys) {
    const bits = Buffer.from(key.n ?? '', 'base64url').length * 8;
    if (key.kty !== 'RSA' || key.kid === undefined || bits < RSA_KEY_BITS_MIN) continue;
    const importedKey = await importJWK(key as JWK, TOKEN_ALGORITHM);
    if (!(importedKey instanceof Uint8Array)) imported.set(key.kid, importedKey);
  }
  return imported;
}

export interface JwksOptions {
  url: string;
  /** Fetches the document; the answer must be its JSON. */
  fetchJson: (url: string, timeoutMs: number) => Promise<unknown>;
  /** Keys older than this are fetched anew in the background; the old ones serve until the issuer answers. */
  freshMs?: number;
  /** Least time between two fetches, however many unknown key ids are presented. */
  fetchIntervalMs?: number;
}

/** Keys of a JWKS document (RFC 7517), kept in memory, fetched anew when a key id is unknown. */
export function createJwksKeySource(options: JwksOptions): KeySource {
  const { freshMs = 300_000, fetchIntervalMs = 200 } = options;
  let keys = new Map<string, VerificationKey>();
  let fetchedAtMs = Number.NEGATIVE_INFINITY;
  let triedAtMs = Number.NEGATIVE_INFINITY;

  async function load(): Promise<void> {
    // An unknown key id right after a fetch waits for the next one instead of being refused: the key may be brand new.
    await pause(triedAtMs + fetchIntervalMs - performance.now(), new AbortController().signal);
    triedAtMs = performance.now();
    keys = await importKeys(await options.fetchJson(options.url, 2000));
    fetchedAtMs = performance.now();
  }
  const refresh = shared(load);

  return async (kid) => {
    const known = keys.get(kid);
    if (known === undefined) {
      await refresh();
      return keys.get(kid);
    }
    if (performance.now() - fetchedAtMs > freshMs) {
      // A failed refresh changes nothing; the next call tries again.
      refresh().catch(() => {});
    }
    return known;
  };
}

/** Connections to other services; close it at the end. */
export function createAgent(options: { connectionsMax?: number } = {}): Agent {
  return new Agent({
    connections: options.connectionsMax ?? 64,
    connect: { timeout: 2000 },
    headersTimeout: 15_000,
    bodyTimeout: 30_000,
    keepAliveTimeout: 4000,
  });
}

/** GETs a JSON document. @throws on anything but a 200 within `timeoutMs` */
async function getJson(agent: Agent, url: string, timeoutMs: number): Promise<unknown> {
  const { statusCode, body } = await request(url, { dispatcher: agent, signal: AbortSignal.timeout(timeoutMs) });
  if (statusCode !== 200) {
    await body.dump();
    throw new Error(`GET ${url} answered ${statusCode}`);
  }
  return body.json();
}

/** True when a GET answers 200 within `timeoutMs`; for readiness. */
export async function answersOk(agent: Agent, url: string, timeoutMs: number): Promise<boolean> {
  try {
    const { statusCode, body } = await request(url, { dispatcher: agent, signal: AbortSignal.timeout(timeoutMs) });
    await body.dump();
    return statusCode === 200;
  } catch {
    // Any failure means no.
    return false;
  }
}

/**
 * Checks tokens with the keys that admin publishes. From startup on, they are requested until admin has answered once,
 * so that they are available during a later outage of admin. Settings: see `verifierSettings`.
 */
export function createRemoteAuthenticator(
  config: { AUTH_ISSUER: string; ADMIN_URL: string; JWKS_URL?: string | undefined },
  agent: Agent,
  signal: AbortSignal,
): Authenticator {
  const keys = createJwksKeySource({
    url: config.JWKS_URL ?? `${config.ADMIN_URL}/.well-known/jwks.json`,
    fetchJson: (url, timeoutMs) => getJson(agent, url, timeoutMs),
  });
  const fetching = retryUntilDone(() => keys(''), { ms: 200, msMax: 2000, signal, onFailure: () => {} });
  // It ends early only when the service does.
  fetching.catch(() => {});
  return createAuthenticator({ issuer: config.AUTH_ISSUER, keys });
}
