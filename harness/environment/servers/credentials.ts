import { generateKeyPair, randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROLES, type Role } from '../../../services/contract/http.ts';
import type { ServerName } from '../../../services/contract/names.ts';
import type { DatabaseAccess, OwnEnvironment, ServerAddress, ServiceAccount } from '../common/environment.ts';
import { cachedFolder, cachePath } from '../process/cache.ts';
import { HARNESS_USER, type Passwords } from './rights.ts';

const newAccount = (name: string): ServiceAccount => ({
  clientId: `syncproof-${name}`,
  clientSecret: randomBytes(24).toString('base64url'),
});

export interface Accounts {
  /** For cases: one per role. */
  roles: Record<Role, ServiceAccount>;
  /** For query's own calls to admin. */
  query: ServiceAccount;
}

/** Accounts with fresh random secrets. */
export function createAccounts(): Accounts {
  const ofRole = (role: Role): ServiceAccount => newAccount(role.toLowerCase());
  return {
    roles: { ADMIN: ofRole('ADMIN'), USER: ofRole('USER'), READONLY: ofRole('READONLY') },
    query: newAccount('query'),
  };
}

export const secretsOf = ({ roles, query }: Accounts): string[] =>
  [...Object.values(roles), query].map(({ clientSecret }) => clientSecret);

/** Writes the accounts as the admin service reads them (AUTH_CLIENTS_FILE), readable by this user only. */
export async function writeClientsFile(folder: string, { roles, query }: Accounts): Promise<string> {
  const path = join(folder, 'clients.json');
  const row = (role: Role, { clientId, clientSecret }: ServiceAccount, name: string) => ({
    client_id: clientId,
    client_secret: clientSecret,
    role,
    name: `syncproof ${name}`,
  });
  const rows = [...ROLES.map((role) => row(role, roles[role], role.toLowerCase())), row('READONLY', query, 'query')];
  await writeFile(path, JSON.stringify(rows), { mode: 0o600 });
  return path;
}

/** How to log in to the servers: as the harness does, and as a service. */
export function serverAccess(
  address: (server: ServerName) => ServerAddress,
  passwords: Readonly<Record<ServerName, Passwords>>,
): Pick<OwnEnvironment, 'redisAddress' | 'databaseAccess' | 'accessOf'> {
  const inDatabase = (database: string, user: string, password: string): DatabaseAccess => ({
    ...address('postgres'),
    database,
    user,
    password,
  });
  return {
    redisAddress: () => ({ ...address('redis'), password: passwords.redis.harness }),
    databaseAccess: (database) => inDatabase(database, HARNESS_USER.postgres, passwords.postgres.harness),
    accessOf: (service) => ({
      redis: { ...address('redis'), username: service, password: passwords.redis[service] },
      database: inDatabase(service, service, passwords.postgres[service]),
    }),
  };
}

/**
 * The key that signs the tokens of the environments of this user on this machine. Made once: 2048 bits of RSA take up to
 * half a second, and it protects nothing but test data behind random account secrets.
 */
export async function signingKeyFile(signal?: AbortSignal): Promise<string> {
  const folder = await cachedFolder(
    cachePath('signing-key'),
    async (target) => {
      const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 });
      const pem = privateKey.export({ type: 'pkcs8', format: 'pem' });
      await writeFile(join(target, 'private.pem'), pem, { mode: 0o600 });
    },
    signal,
  );
  return join(folder, 'private.pem');
}
