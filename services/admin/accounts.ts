import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { PermanentError } from '../common/backoff.ts';
import type { Pool } from '../common/postgres.ts';
import { ROLES, type Role } from '../contract/http.ts';
import type { TokenSubject } from './keys.ts';

/** Cost of one hash: 16 MiB and some tens of milliseconds. Written into each hash, so it can be raised later. */
const COST = { N: 2 ** 14, r: 8, p: 1 };
const HASH_BYTES = 32;

function derive(secret: string, salt: Buffer, options: ScryptOptions): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    // Off the main thread.
    scrypt(secret, salt, HASH_BYTES, options, (error, hash) => (error === null ? resolve(hash) : reject(error)));
  });
}

/** `scrypt$N$r$p$salt$hash` */
function encode(salt: Buffer, hash: Buffer): string {
  return ['scrypt', COST.N, COST.r, COST.p, salt.toString('base64url'), hash.toString('base64url')].join('$');
}

/** What the secret of an unknown client is compared with: no secret is known for it. */
const DECOY_HASH = encode(randomBytes(16), randomBytes(HASH_BYTES));

/** scrypt (RFC 7914) with a salt of its own. */
export async function hashSecret(secret: string): Promise<string> {
  const salt = randomBytes(16);
  return encode(salt, await derive(secret, salt, COST));
}

/** Compares in constant time. */
export async function secretMatches(secret: string, stored: string): Promise<boolean> {
  const [scheme, n, r, p, salt, hash] = stored.split('$');
  if (scheme !== 'scrypt' || salt === undefined || hash === undefined) throw new Error('Unknown kind of secret hash');
  const expected = Buffer.from(hash, 'base64url');
  const given = await derive(secret, Buffer.from(salt, 'base64url'), { N: Number(n), r: Number(r), p: Number(p) });
  return given.length === expected.length && timingSafeEqual(given, expected);
}

const clientsFileSchema = z.array(
  z.object({
    client_id: z.string().min(1).max(255),
    client_secret: z.string().min(1).max(1024),
    role: z.enum(ROLES),
    name: z.string().min(1).max(255),
  }),
);

interface HashedClient extends TokenSubject {
  secretHash: string;
}

/**
 * The clients of a JSON file, their secrets hashed.
 * @throws PermanentError when the file is missing or its shape is wrong; the message has no secret
 */
export async function readClientsFile(path: string): Promise<HashedClient[]> {
  let clients: z.output<typeof clientsFileSchema>;
  try {
    clients = clientsFileSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    // A JSON error may quote the text around it, secrets included.
    const why = error instanceof z.ZodError ? z.prettifyError(error) : 'it cannot be read or is not JSON';
    throw new PermanentError(`Expected AUTH_CLIENTS_FILE ${path} to be a list of service accounts: ${why}`);
  }
  return Promise.all(
    clients.map(async ({ client_id: clientId, client_secret: secret, role, name }) => ({
      clientId,
      role,
      name,
      secretHash: await hashSecret(secret),
    })),
  );
}

export async function upsertAccounts(pool: Pool, clients: readonly HashedClient[]): Promise<void> {
  await pool.query(
    `INSERT INTO service_accounts (client_id, name, role, secret_hash)
     SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
     ON CONFLICT (client_id) DO UPDATE
       SET name = excluded.name, role = excluded.role, secret_hash = excluded.secret_hash, updated_at = now()`,
    [
      clients.map((client) => client.clientId),
      clients.map((client) => client.name),
      clients.map((client) => client.role),
      clients.map((client) => client.secretHash),
    ],
  );
}

/** Finds who has these credentials. An unknown client costs as much time as a wrong secret. */
export async function authenticate(pool: Pool, clientId: string, secret: string): Promise<TokenSubject | undefined> {
  const { rows } = await pool.query<{ name: string; role: Role; secret_hash: string }>(
    'SELECT name, role, secret_hash FROM service_accounts WHERE client_id = $1',
    [clientId],
  );
  const [account] = rows;
  const matches = await secretMatches(secret, account?.secret_hash ?? DECOY_HASH);
  return account !== undefined && matches ? { clientId, name: account.name, role: account.role } : undefined;
}
