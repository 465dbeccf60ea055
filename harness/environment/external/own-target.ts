import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { targetText } from '../../config/target.ts';
import type { Role } from '../../contract/http.ts';
import type { OwnEnvironment } from '../environment.ts';

/**
 * Describes a running reference pipeline as a target, for whoever wants to see how one is judged. The file has secrets,
 * so only this user can read it.
 */
export async function writeOwnTarget(environment: OwnEnvironment, path: string): Promise<void> {
  const { urls, accounts, folder, promises } = environment;
  const redis = environment.redisAddress();
  const database = (service: 'admin' | 'query'): string => {
    const { host, port, database: name, user, password } = environment.databaseAccess(service);
    return `postgres://${user}:${encodeURIComponent(password)}@${host}:${port}/${name}`;
  };
  const account = (role: Role) => ({ client_id: accounts[role].clientId, client_secret: accounts[role].clientSecret });
  const keyFile = join(folder, 'signing-key.pem');
  const key = await environment.signingKey?.();
  if (key !== undefined) await writeFile(keyFile, key, { mode: 0o600 });
  const text = targetText({
    name: 'syncproof reference',
    services: {
      admin: { url: urls.admin },
      storage: { url: urls.storage },
      ingester: { url: urls.ingester },
      query: { url: urls.query },
    },
    credentials: { ADMIN: account('ADMIN'), USER: account('USER'), READONLY: account('READONLY') },
    ...(key === undefined ? {} : { signing_key_file: keyFile }),
    redis: { url: `redis://:${encodeURIComponent(redis.password ?? '')}@${redis.host}:${redis.port}`, admin: true },
    postgres: { query: database('query'), admin: database('admin') },
    promises: {
      sync_ms: promises.syncMs,
      pending_retry_ms: promises.pendingRetryMs,
      stream_entries_max: promises.streamEntriesMax,
      ...(Number.isFinite(promises.uploadBytesMax) ? { upload_bytes_max: promises.uploadBytesMax } : {}),
    },
  });
  await writeFile(path, text, { mode: 0o600 });
}
