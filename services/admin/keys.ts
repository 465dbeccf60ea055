import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject, randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { calculateJwkThumbprint, exportJWK, type JWK, SignJWT } from 'jose';
import { type KeySource, TOKEN_ALGORITHM } from '../common/auth.ts';
import { readOrCreate } from '../common/secret-file.ts';
import type { Role } from '../contract/http.ts';

const KEY_BITS = 2048;
/** Tokens are valid from a little before their issue, so that a clock slightly behind ours accepts them at once. */
const NOT_BEFORE_MARGIN_S = 5;

export interface TokenSubject {
  clientId: string;
  name: string;
  role: Role;
}

export interface TokenIssuer {
  issue(subject: TokenSubject): Promise<{ token: string; expiresInS: number; issuedAt: Date }>;
  /** RFC 7517. */
  jwks(): Promise<{ keys: JWK[] }>;
  /** The own public key, for checking tokens that this service issued. */
  keys: KeySource;
}

async function generatePem(): Promise<string> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', {
    modulusLength: KEY_BITS,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  return privateKey;
}

interface SigningKey {
  privateKey: KeyObject;
  publicKey: KeyObject;
  jwk: JWK;
  kid: string;
}

async function loadKey(path: string | undefined): Promise<SigningKey> {
  const privateKey = createPrivateKey(await (path === undefined ? generatePem() : readOrCreate(path, generatePem)));
  const bits = privateKey.asymmetricKeyDetails?.modulusLength ?? 0;
  if (privateKey.asymmetricKeyType !== 'rsa' || bits < KEY_BITS) {
    throw new Error(`Expected AUTH_PRIVATE_KEY_FILE to hold an RSA key of at least ${KEY_BITS} bits`);
  }
  const publicKey = createPublicKey(privateKey);
  const bare = await exportJWK(publicKey);
  const kid = await calculateJwkThumbprint(bare);
  return { privateKey, publicKey, kid, jwk: { ...bare, kid, alg: TOKEN_ALGORITHM, use: 'sig' } };
}

export interface TokenIssuerOptions {
  issuer: string;
  ttlS: number;
  /** Absent: a key is made and kept in memory, so tokens end with the process. */
  privateKeyFile?: string | undefined;
}

/** Loading or making the key begins at once; calls wait for it. */
export function createTokenIssuer({ issuer, ttlS, privateKeyFile }: TokenIssuerOptions): TokenIssuer {
  const loading = loadKey(privateKeyFile);
  return {
    async issue({ clientId, name, role }) {
      const { privateKey, kid } = await loading;
      const issuedAtS = Math.floor(Date.now() / 1000);
      const token = await new SignJWT({ type: 'service_account', role, name, client_id: clientId })
        .setProtectedHeader({ alg: TOKEN_ALGORITHM, kid, typ: 'JWT' })
        .setIssuer(issuer)
        .setSubject(clientId)
        .setJti(randomUUID())
        .setIssuedAt(issuedAtS)
        .setNotBefore(issuedAtS - NOT_BEFORE_MARGIN_S)
        .setExpirationTime(issuedAtS + ttlS)
        .sign(privateKey);
      return { token, expiresInS: ttlS, issuedAt: new Date(issuedAtS * 1000) };
    },
    async jwks() {
      return { keys: [(await loading).jwk] };
    },
    async keys(kid) {
      const key = await loading;
      return kid === key.kid ? key.publicKey : undefined;
    },
  };
}
