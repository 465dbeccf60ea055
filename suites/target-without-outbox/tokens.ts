import { createHash, createPrivateKey, createPublicKey, randomUUID, timingSafeEqual } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { calculateJwkThumbprint, errors, exportJWK, type JWTVerifyGetKey, jwtVerify, SignJWT } from 'jose';
import { Refusal } from './service.ts';

export interface Credentials {
  client_id: string;
  client_secret: string;
}
export type Account = Credentials & { role: string };

const ALGORITHM = 'RS256';
const TOKEN_TTL_S = 3600;

const digest = (secret = ''): Buffer => createHash('sha256').update(secret).digest();

/** Signs tokens for the accounts that it knows, with a key in PEM form. */
export async function createIssuer(pem: string, accounts: readonly Account[]) {
  const key = createPrivateKey(pem);
  const jwk = await exportJWK(createPublicKey(key));
  const kid = await calculateJwkThumbprint(jwk);
  return {
    jwks: { keys: [{ ...jwk, kid, use: 'sig', alg: ALGORITHM }] },
    /** @throws Refusal (401) without revealing which field was wrong */
    async token({ client_id, client_secret }: Credentials): Promise<Record<string, unknown>> {
      const account = accounts.find((each) => each.client_id === client_id);
      const same = timingSafeEqual(digest(account?.client_secret), digest(client_secret));
      if (account === undefined || !same) throw new Refusal(401, 'Wrong credentials');
      const iat = Math.floor(Date.now() / 1000);
      const claims = { sub: client_id, type: 'service', role: account.role, name: client_id, client_id };
      const token = new SignJWT({ ...claims, jti: randomUUID(), iat, nbf: iat, exp: iat + TOKEN_TTL_S });
      return {
        access_token: await token.setProtectedHeader({ alg: ALGORITHM, typ: 'JWT', kid }).sign(key),
        token_type: 'Bearer',
        expires_in: TOKEN_TTL_S,
        issued_at: new Date(iat * 1000).toISOString(),
      };
    },
  };
}

/**
 * What makes a route one for some roles alone, with a token that one of `keys` has signed.
 * The route throws Refusal: 401 without a good token, 403 when its role is none of them.
 */
export function guard(keys: JWTVerifyGetKey) {
  return (...roles: readonly string[]) => ({
    async onRequest({ headers }: FastifyRequest): Promise<void> {
      const token = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1] ?? '';
      const { payload } = await jwtVerify(token, keys, {
        algorithms: [ALGORITHM],
        requiredClaims: ['nbf', 'exp'],
      }).catch((error: unknown) => {
        if (!(error instanceof errors.JOSEError) || error instanceof errors.JWKSTimeout) throw error;
        throw new Refusal(401, 'A good bearer token is needed');
      });
      // Base64 has bits to spare at its end: one signature must not have several texts.
      const signature = token.split('.')[2] ?? '';
      if (Buffer.from(signature, 'base64url').toString('base64url') !== signature)
        throw new Refusal(401, 'A good bearer token is needed');
      if (!roles.includes(String(payload.role))) throw new Refusal(403, 'The role does not allow this');
    },
  });
}
