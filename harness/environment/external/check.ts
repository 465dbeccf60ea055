import { ROLES, type Role } from '../../../services/contract/http.ts';
import { READ_MODEL_TABLE, type ServiceName } from '../../../services/contract/names.ts';
import { createPipelineClient } from '../../clients/pipeline.ts';
import { connectPostgres, connectRedis } from '../../clients/servers.ts';
import type { Driver } from '../../clients/transport.ts';
import { describeError, UnreachableError, UsageError } from '../../core/errors.ts';
import { memoryRecorder } from '../../record/writer.ts';
import type { DatabaseAccess, Environment, RedisAddress, RegistryTable } from '../common/environment.ts';
import { connectError } from '../process/probes.ts';

/** XAUTOCLAIM came with 6.2. */
const REDIS_VERSION_MIN = [6, 2] as const;
const ANSWER_TIMEOUT_MS = 5000;

/** What a target file says of its target. */
export interface Claims extends Pick<Environment, 'urls' | 'accounts'> {
  drivers: readonly Driver[];
  redis: RedisAddress | undefined;
  databases: Readonly<Partial<Record<'admin' | 'query', DatabaseAccess>>>;
  registry: RegistryTable;
}

/**
 * Whether a target is what its file says, before a case finds out: services answer, accounts get tokens, Redis and
 * PostgreSQL let us in and are new enough.
 * @returns versions of the servers
 * @throws UnreachableError for an address at which nothing answers, UsageError for what the file has wrong
 */
export async function checkTarget(claimed: Claims): Promise<Record<string, string>> {
  await checkServices(claimed);
  const [redis, postgres] = await Promise.all([checkRedis(claimed), checkDatabases(claimed), checkAccounts(claimed)]);
  return { ...(redis === undefined ? {} : { redis }), ...(postgres === undefined ? {} : { postgres }) };
}

async function checkServices({ urls, accounts, drivers }: Claims): Promise<void> {
  await using pipeline = createPipelineClient({ urls, accounts, drivers, recorder: memoryRecorder() });
  const checks = await Promise.allSettled(
    (Object.entries(urls) as [ServiceName, string][]).map(async ([service, url]) => {
      const { status, error } = await pipeline.live(service, { timeoutMs: ANSWER_TIMEOUT_MS });
      if (status === undefined) throw new UnreachableError(`services.${service}: nothing answers at ${url} (${error})`);
      if (status !== 200) {
        throw new UnreachableError(
          `services.${service}: ${url}/health/live answered ${status}, not 200; is it that service?`,
        );
      }
    }),
  );
  const away = checks.flatMap((check) => (check.status === 'rejected' ? [describeError(check.reason)] : []));
  if (away.length > 0) throw new UnreachableError(away.join('; '));
}

async function checkAccounts({ urls, accounts, drivers }: Claims): Promise<void> {
  for (const role of Object.keys(accounts) as Role[]) {
    await using pipeline = createPipelineClient({ urls, accounts, drivers, role, recorder: memoryRecorder() });
    const token = await pipeline.token().catch((cause: unknown) => {
      throw new UsageError(
        `credentials.${role}: ${accounts[role]?.clientId} gets no token from ${urls.admin}; are client_id and client_secret those of an account with the role ${role}? ${describeError(cause)}`,
      );
    });
    const told = roleIn(token);
    if (told !== undefined && told !== role) {
      throw new UsageError(
        `credentials.${role}: expected an account with the role ${role}, and the token of ${accounts[role]?.clientId} says ${told}`,
      );
    }
  }
}

/** The role that a token claims, when it is one of the contract's; a target may have tokens of its own kind. */
function roleIn(token: string): Role | undefined {
  try {
    const { role } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { role?: unknown };
    return ROLES.find((each) => each === role);
  } catch {
    return undefined;
  }
}

async function checkRedis({ redis: address }: Claims): Promise<string | undefined> {
  if (address === undefined) return undefined;
  const redis = connectRedis(address);
  try {
    const info = await redis.info('server').catch(async (cause: unknown) => {
      const text = describeError(cause);
      const where = `redis.url: ${address.host}:${address.port}`;
      if (/NOAUTH|WRONGPASS|NOPERM/.test(text)) throw new UsageError(`${where} refuses the login: ${text}`);
      const refused = await connectError(address);
      throw new UnreachableError(`${where} does not answer: ${refused ?? text}`);
    });
    const version = /^redis_version:(\S+)/m.exec(info)?.[1] ?? 'unknown';
    const [major = 0, minor = 0] = version.split('.').map(Number);
    const [leastMajor, leastMinor] = REDIS_VERSION_MIN;
    if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) return version;
    throw new UsageError(`Expected redis.url to lead to Redis ${REDIS_VERSION_MIN.join('.')} or newer, got ${version}`);
  } finally {
    redis.disconnect();
  }
}

async function checkDatabases({ databases, registry }: Claims): Promise<string | undefined> {
  const tables = { query: READ_MODEL_TABLE, admin: registry.table };
  let version: string | undefined;
  for (const [name, access] of Object.entries(databases) as ['admin' | 'query', DatabaseAccess][]) {
    const database = connectPostgres(access);
    const where = `postgres.${name}: ${access.user}@${access.host}:${access.port}/${access.database}`;
    try {
      const { rows } = await database.query<{ server_version: string }>('SHOW server_version');
      version = rows[0]?.server_version.split(' ')[0];
      await database.query(`SELECT FROM ${tables[name]} LIMIT 0`);
    } catch (error) {
      const { code } = error as { code?: unknown };
      const text = describeError(error);
      // Classes 28 (authorization), 3D (no such database), 42 (no right, no such table): PostgreSQL documentation, appendix A.
      if (typeof code === 'string' && /^(28|3D|42)/.test(code))
        throw new UsageError(`${where} cannot be used: ${text}`);
      throw new UnreachableError(`${where} does not answer: ${text}`);
    } finally {
      await database.end();
    }
  }
  return version;
}
