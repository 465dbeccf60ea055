import { findPostgres } from './postgres-binaries.ts';
import { postgresTemplate } from './postgres-template.ts';
import { findRedis } from './redis-binary.ts';
import { serverUser } from './server-user.ts';

/**
 * Finds the servers that the processes environment runs, or fetches and prepares them: what takes long the first time,
 * and what a machine may lack.
 * @throws UsageError for a setting that names nothing usable; UnreachableError that says what to install
 */
export async function prepareServers(onProgress: (detail: string) => void): Promise<void> {
  const user = serverUser();
  const options = (part: string) => ({ onProgress: (detail: string) => onProgress(`${part}: ${detail}`) });
  await Promise.all([
    findRedis(options('redis')),
    findPostgres(user).then((binaries) => postgresTemplate(binaries, user, options('postgres'))),
  ]);
}
