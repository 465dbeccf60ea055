import {
  createHash,
  createPrivateKey,
  createPublicKey,
  createSign,
  createVerify,
  type JsonWebKey,
  type KeyObject,
  randomUUID,
  timingSafeEqual,
} from 'node:crypto';
import { Refusal } from './http.ts';

export interface Account {
  client_id: string;
  client_secret: string;
  role: string;
}

/** Gives a public key by its id; undefined when nobody knows it. */
export type KeySource = (kid: string) => Promise<KeyObject | undefined>;

const TOKEN_TTL_S = 3600;

const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Signs tokens (RS256) for the accounts that it knows. */
export class Issuer {
  readonly #key: KeyObject;
  readonly #accounts: readonly Account[];
  readonly #kid: string;

  constructor(pem: string, accounts: readonly Account[]) {
    this.#key = createPrivateKey(pem);
    this.#accounts = accounts;
    this.#kid = digest(pem).toString('hex').slice(0, 16);
  }

  get jwks(): { keys: JsonWebKey[] } {
    const jwk = createPublicKey(this.#key).export({ format: 'jwk' });
    return { keys: [{ ...jwk, kid: this.#kid, use: 'sig', alg: 'RS256' }] };
  }

  readonly keys: KeySource = async (kid) => (kid === this.#kid ? createPublicKey(this.#key) : undefined);

  /** @throws Refusal (401) without saying which part was wrong */
  token(clientId: string, clientSecret: string): Record<string, unknown> {
    const account = this.#accounts.find(({ client_id }) => client_id === clientId);
    const same = timingSafeEqual(digest(account?.client_secret ?? ''), digest(clientSecret));
    if (account === undefined || !same) throw new Refusal(401, 'Wrong credentials');
    const iat = Math.floor(Date.now() / 1000);
    const { client_id, role } = account;
    const claims = { sub: client_id, type: 'service', role, name: client_id, client_id, jti: randomUUID() };
    const input = `${encoded({ alg: 'RS256', typ: 'JWT', kid: this.#kid })}.${encoded({ ...claims, iat, nbf: iat, exp: iat + TOKEN_TTL_S })}`;
    const signature = createSign('RSA-SHA256').update(input).sign(this.#key, 'base64url');
    return {
      access_token: `${input}.${signature}`,
      token_type: 'Bearer',
      expires_in: TOKEN_TTL_S,
      issued_at: new Date(iat * 1000).toISOString(),
    };
  }
}

const REFETCH_AFTER_MS = 1000;

/** Keys as the issuer publishes them, asked for again when one is unknown, but not at every bad token. */
export function publishedKeys(url: string): KeySource {
  let known: readonly JsonWebKey[] = [];
  let askedAt = 0;
  return async (kid) => {
    if (!known.some((key) => key.kid === kid) && Date.now() - askedAt > REFETCH_AFTER_MS) {
      const answer = await fetch(url, { signal: AbortSignal.timeout(2000) });
      known = ((await answer.json()) as { keys: JsonWebKey[] }).keys;
      // After the answer: a failure, say while the issuer starts, is tried again at once.
      askedAt = Date.now();
    }
    const key = known.find((each) => each.kid === kid);
    return key === undefined ? undefined : createPublicKey({ key, format: 'jwk' });
  };
}

/** @throws Refusal: 401 without a good token, 403 when its role is none of `roles` */
export async function demandRole(
  keys: KeySource,
  authorization: string | undefined,
  roles: readonly string[],
): Promise<void> {
  const token = /^Bearer (.+)$/.exec(authorization ?? '')?.[1] ?? '';
  const [head = '', payload = '', signature = '', ...rest] = token.split('.');
  const header = decoded(head);
  const key = header?.alg === 'RS256' && rest.length === 0 ? await keys(String(header.kid)) : undefined;
  const bytes = Buffer.from(signature, 'base64url');
  const claims = decoded(payload);
  const nowS = Date.now() / 1000;
  const good =
    key !== undefined &&
    claims !== undefined &&
    // Base64 has bits to spare at its end: one signature must not have several texts.
    bytes.toString('base64url') === signature &&
    createVerify('RSA-SHA256').update(`${head}.${payload}`).verify(key, bytes) &&
    Number(claims.nbf) <= nowS &&
    Number(claims.exp) > nowS;
  if (!good) throw new Refusal(401, 'A good bearer token is needed');
  if (!roles.includes(String(claims.role))) throw new Refusal(403, 'The role does not allow this');
}

function decoded(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString());
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

export const READERS = ['ADMIN', 'USER', 'READONLY'] as const;
export const WRITERS = ['ADMIN', 'USER'] as const;
export const DELETERS = ['ADMIN'] as const;
