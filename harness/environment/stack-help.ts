import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CONSUMER_GROUP, EVENT_STREAM_NAME, SERVICE_NAMES } from '../../services/contract/names.ts';
import { table } from '../core/text.ts';
import type { OwnEnvironment } from './common/environment.ts';
import { redisCliCommand } from './servers/redis-binary.ts';

/** Addresses of a running pipeline and lines to paste: a token, an upload, a search, and a look at the stream. */
export async function stackHelp(environment: OwnEnvironment): Promise<string> {
  const { urls, accounts } = environment;
  const redis = environment.redisAddress();
  const databases = (['admin', 'query'] as const).map((service) => {
    const { host, port, database, user, password } = environment.databaseAccess(service);
    return [`postgres (${service})`, `postgres://${user}:${password}@${host}:${port}/${database}`];
  });
  const addresses = table([
    ...SERVICE_NAMES.map((name) => [name, urls[name]]),
    ['redis', `redis://:${redis.password}@${redis.host}:${redis.port}`],
    ...databases,
    ['logs', environment.logDirectory],
  ]);
  // Containers bring no client to this machine: there the name is all that can be said.
  const redisCli = environment.kind === 'processes' ? await redisCliCommand() : 'redis-cli';
  const cli = `REDISCLI_AUTH=${redis.password} ${redisCli} -h ${redis.host} -p ${redis.port}`;
  return `
${addresses.join('\n')}

# Get a token, upload a file, wait until it is searchable, find it by name. Paste as it is; the secrets belong to this
# throw-away pipeline only.

  TOKEN=$(curl -s ${urls.admin}/api/v1/auth/token -H 'content-type: application/json' \\
    -d '{"client_id":"${accounts.ADMIN.clientId}","client_secret":"${accounts.ADMIN.clientSecret}"}' | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')
  echo 'hello' > hello-syncproof.txt
  FILE=$(curl -s ${urls.ingester}/api/v1/files/upload -H "authorization: Bearer $TOKEN" -F file=@hello-syncproof.txt -F description=first \\
    | sed 's/.*"file_id":"\\([^"]*\\)".*/\\1/'); echo "uploaded $FILE"
  curl -sf --retry 10 --retry-delay 1 --retry-all-errors ${urls.query}/api/search/$FILE -H "authorization: Bearer $TOKEN"; echo
  curl -s ${urls.query}/api/search -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' -d '{"query":"hello","mode":"partial"}'; echo

# Watch the stream:

  ${cli} XINFO STREAM ${EVENT_STREAM_NAME}
  ${cli} XINFO GROUPS ${EVENT_STREAM_NAME}
  ${cli} XPENDING ${EVENT_STREAM_NAME} ${CONSUMER_GROUP}

Ctrl-C stops everything and removes its data.`;
}

/** Writes the help where only this user can read it and it goes with the environment: it has secrets. @returns its path */
export async function writeStackHelp(environment: OwnEnvironment): Promise<string> {
  const path = join(environment.folder, 'how-to-use.txt');
  await writeFile(path, `${await stackHelp(environment)}\n`, { mode: 0o600 });
  return path;
}
