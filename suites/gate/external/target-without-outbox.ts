import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeArguments } from '../../../harness/config/settings.ts';
import { ROLES } from '../../../services/contract/http.ts';
import type { StackPlan } from './stack.ts';

const FOLDER = fileURLToPath(new URL('../../target-without-outbox/', import.meta.url));

/** The small implementation in suites/target-without-outbox: admin, which is also where files are registered, and query. */
export const TARGET_WITHOUT_OUTBOX: StackPlan = {
  services: ['admin', 'query'],
  redisPassword: 'a password: with/characters',
  async launch(service, { folder, accounts, keyFile, url, redisUrl, databaseUrl }) {
    const accountsFile = join(folder, 'accounts.json');
    const known = ROLES.map((role) => {
      const { clientId, clientSecret } = accounts.roles[role];
      return { client_id: clientId, client_secret: clientSecret, role };
    });
    await writeFile(accountsFile, JSON.stringify(known), { mode: 0o600 });
    return {
      command: process.execPath,
      args: [...nodeArguments(), join(FOLDER, `${service}.ts`)],
      env: {
        PATH: '/usr/bin:/bin',
        PORT: new URL(url(service)).port,
        DATABASE_URL: databaseUrl(service as 'admin' | 'query'),
        REDIS_URL: redisUrl,
        ADMIN_URL: url('admin'),
        ACCOUNTS_FILE: accountsFile,
        KEY_FILE: keyFile,
      },
    };
  },
};
