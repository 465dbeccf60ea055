import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

/** An authority that vouches for servers, made for a test. */
export interface Authority {
  /** Its own certificate, in PEM form. */
  certificate: string;
  /** A key and a certificate for a server at an IPv4 address, in PEM form. */
  issue(address: string): { key: string; certificate: string };
}

const VALID_MS = 86_400_000;

/** X.509 certificates (RFC 5280) with ECDSA keys, good from yesterday until tomorrow. */
export function createAuthority(name: string): Authority {
  const own = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  // Basic constraints: an authority.
  const extensions = [extension('2.5.29.19', true, sequence(tagged(0x01, Buffer.from([0xff]))))];
  return {
    certificate: certificate({ issuer: name, subject: name, publicKey: own.publicKey, extensions }, own.privateKey),
    issue(address) {
      const server = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
      // Subject alternative name: an IP address.
      const names = extension('2.5.29.17', false, sequence(tagged(0x87, Buffer.from(address.split('.').map(Number)))));
      const subject = { issuer: name, subject: address, publicKey: server.publicKey, extensions: [names] };
      return {
        key: server.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
        certificate: certificate(subject, own.privateKey),
      };
    },
  };
}

interface Subject {
  issuer: string;
  subject: string;
  publicKey: KeyObject;
  extensions: readonly Buffer[];
}

function certificate({ issuer, subject, publicKey, extensions }: Subject, issuerKey: KeyObject): string {
  // ecdsa-with-SHA256
  const algorithm = sequence(identifier('1.2.840.10045.4.3.2'));
  const now = Date.now();
  const content = sequence(
    // Version 3.
    tagged(0xa0, tagged(0x02, Buffer.from([2]))),
    // A positive number.
    tagged(0x02, Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    algorithm,
    distinguishedName(issuer),
    sequence(time(now - VALID_MS), time(now + VALID_MS)),
    distinguishedName(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    tagged(0xa3, sequence(...extensions)),
  );
  const signature = tagged(0x03, Buffer.concat([Buffer.from([0]), sign('sha256', content, issuerKey)]));
  const lines =
    sequence(content, algorithm, signature)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}

/** One value in the distinguished encoding rules (ITU-T X.690): its tag, its length, its content. */
function tagged(tag: number, ...content: readonly Buffer[]): Buffer {
  const body = Buffer.concat(content);
  const size = Buffer.from(body.length.toString(16).padStart(body.length > 0xff ? 4 : 2, '0'), 'hex');
  const length = body.length < 0x80 ? size : Buffer.concat([Buffer.from([0x80 + size.length]), size]);
  return Buffer.concat([Buffer.from([tag]), length, body]);
}

const sequence = (...content: readonly Buffer[]): Buffer => tagged(0x30, ...content);

/** An object identifier: its first two numbers in one, and each of them in groups of seven bits. */
function identifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const groups = [first * 40 + second, ...rest].flatMap((number) => {
    const bytes = [number & 0x7f];
    for (let left = number >> 7; left > 0; left >>= 7) bytes.unshift((left & 0x7f) | 0x80);
    return bytes;
  });
  return tagged(0x06, Buffer.from(groups));
}

/** A common name and nothing else. */
const distinguishedName = (name: string): Buffer =>
  sequence(tagged(0x31, sequence(identifier('2.5.4.3'), tagged(0x0c, Buffer.from(name)))));

const time = (ms: number): Buffer =>
  tagged(0x17, Buffer.from(`${new Date(ms).toISOString().slice(2, 19).replace(/[-T:]/g, '')}Z`));

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  const flag = critical ? [tagged(0x01, Buffer.from([0xff]))] : [];
  return sequence(identifier(id), ...flag, tagged(0x04, value));
}
