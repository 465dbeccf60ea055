import {
  createHmac,
  createPublicKey,
  createSign,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
  randomUUID,
} from 'node:crypto';

/** A JSON Web Token (RFC 7519) taken apart; whether its signature is valid is for the target to check. */
export interface DecodedToken {
  header: Record<string, unknown>;
  claims: Record<string, unknown>;
}

/** @throws SyntaxError when it is no JWT */
export function decodeToken(token: string): DecodedToken {
  const [header, claims] = token.split('.').map((part) => Buffer.from(part, 'base64url').toString());
  return { header: JSON.parse(header ?? '{}'), claims: JSON.parse(claims ?? '{}') };
}

type Signer = (input: string) => string;

function signed({ header, claims }: DecodedToken, signature: Signer): string {
  const input = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  return `${input}.${signature(input)}`;
}

const rs256 =
  (key: KeyObject | string): Signer =>
  (input) =>
    createSign('RSA-SHA256').update(input).sign(key, 'base64url');
const hs256 =
  (secret: string | Buffer): Signer =>
  (input) =>
    createHmac('sha256', secret).update(input).digest('base64url');

/** A public key as the issuer publishes it (RFC 7517). */
export type PublishedKey = JsonWebKey & { kid?: string };

/**
 * Values of the Authorization header that no service may accept, by what is wrong with them; undefined for none at all.
 * RFC 8725, sections 2.1, 2.2 and 3.1: the algorithm is the verifier's choice, not the token's.
 * @param good a token that is accepted
 * @param published the key that verifies it
 */
export function badAuthorizations(good: string, published: PublishedKey): Record<string, string | undefined> {
  const { header, claims } = decodeToken(good);
  const fresh = { ...claims, jti: randomUUID() };
  const none = (alg: string): string => signed({ header: { ...header, alg }, claims: fresh }, () => '');
  const confused = (secret: string | Buffer): string =>
    signed({ header: { ...header, alg: 'HS256' }, claims: fresh }, hs256(secret));
  const publicKey = createPublicKey({ key: published, format: 'jwk' });
  const other = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const foreign = (change: Partial<Record<'header' | 'claims', Record<string, unknown>>>): string =>
    signed(
      { header: { ...header, ...change.header }, claims: { ...fresh, ...change.claims } },
      rs256(other.privateKey),
    );
  const [head = '', payload = '', signature = ''] = good.split('.');
  const raised = Buffer.from(JSON.stringify({ ...claims, name: 'somebody else' })).toString('base64url');
  const tokens = {
    'alg none': none('none'),
    'alg nOnE': none('nOnE'),
    'alg none and the signature of a good token': `${none('none')}${signature}`,
    'HS256 with the public key (SPKI, PEM)': confused(publicKey.export({ type: 'spki', format: 'pem' })),
    'HS256 with the public key (PKCS #1, PEM)': confused(publicKey.export({ type: 'pkcs1', format: 'pem' })),
    'HS256 with the public key (SPKI, DER)': confused(publicKey.export({ type: 'spki', format: 'der' })),
    'HS256 with the public key (JWK)': confused(JSON.stringify(published)),
    'another key': foreign({}),
    'another key, which it brings along': foreign({ header: { jwk: other.publicKey.export({ format: 'jwk' }) } }),
    'an unknown kid': foreign({ header: { kid: 'nobody-has-this-kid' } }),
    'no kid': foreign({ header: { kid: undefined } }),
    'another issuer': foreign({ header: { kid: 'of-another-issuer' }, claims: { iss: 'https://issuer.invalid' } }),
    'other claims under the signature of a good token': [head, raised, signature].join('.'),
    'one flipped bit in its header': [flipped(head), payload, signature].join('.'),
    'one flipped bit in its payload': [head, flipped(payload), signature].join('.'),
    'one flipped bit in its signature': [head, payload, flipped(signature)].join('.'),
    'one flipped bit in its last character': [head, payload, flipped(signature, signature.length - 1)].join('.'),
    'no signature': `${head}.${payload}`,
    'nothing but dots': '..',
    'no base64': '{}.{}.{}',
    'garbage in it': 'garbage',
  };
  return {
    'no token': undefined,
    'an empty token': 'Bearer ',
    'another scheme': `Basic ${Buffer.from('somebody:something').toString('base64')}`,
    ...Object.fromEntries(Object.entries(tokens).map(([what, token]) => [`a token with ${what}`, `Bearer ${token}`])),
  };
}

const HOUR_S = 3600;

/**
 * Tokens that are rightly signed, by what is wrong with them, and one with which nothing is.
 * @param signingKey PEM
 */
export function signedTokens(good: string, signingKey: string): { right: string; bad: Record<string, string> } {
  const { header, claims } = decodeToken(good);
  const nowS = Math.floor(Date.now() / 1000);
  const token = (change: Record<string, unknown>): string =>
    signed({ header, claims: { ...claims, jti: randomUUID(), ...change } }, rs256(signingKey));
  const bad: Record<string, string> = {
    'that expired an hour ago': token({ iat: nowS - 2 * HOUR_S, nbf: nowS - 2 * HOUR_S, exp: nowS - HOUR_S }),
    'that is not valid for another hour': token({ nbf: nowS + HOUR_S, exp: nowS + 2 * HOUR_S }),
  };
  // Where tokens name no issuer, issuers cannot be told apart.
  if (claims.iss !== undefined) bad['of another issuer'] = token({ iss: 'https://issuer.invalid' });
  return { right: token({}), bad };
}

const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** The text with the lowest bit of one character flipped; by default of one in the middle. */
function flipped(text: string, at = Math.floor(text.length / 2)): string {
  const flip = BASE64URL[BASE64URL.indexOf(text.charAt(at)) ^ 1] ?? '';
  return text.slice(0, at) + flip + text.slice(at + 1);
}
