import { generateKeyPair, randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROLES, type Role } from '../../contract/http.ts';
import type { ServiceAccount } from '../environment.ts';
import { cachedFolder, cachePath } from '../process/cache.ts';

/** One account per role, with fresh random secrets. */
export function createAccounts(): Record<Role, ServiceAccount> {
  const account = (role: Role): ServiceAccount => ({
    clientId: `syncproof-${role.toLowerCase()}`,
    clientSecret: randomBytes(24).toString('base64url'),
  });
  return { ADMIN: account('ADMIN'), USER: account('USER'), READONLY: account('READONLY') };
}

/** Writes the accounts as the admin service reads them (AUTH_CLIENTS_FILE), readable by this user only. */
export async function writeClientsFile(folder: string, accounts: Record<Role, ServiceAccount>): Promise<string> {
  const path = join(folder, 'clients.json');
  const rows = ROLES.map((role) => ({
    client_id: accounts[role].clientId,
    client_secret: accounts[role].clientSecret,
    role,
    name: `syncproof ${role.toLowerCase()}`,
  }));
  await writeFile(path, JSON.stringify(rows), { mode: 0o600 });
  return path;
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
