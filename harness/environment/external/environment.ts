import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ROLES } from '../../../services/contract/http.ts';
import { type SERVER_NAMES, SERVICE_NAMES, type ServiceName } from '../../../services/contract/names.ts';
import { mappingDriver } from '../../clients/mapping.ts';
import { createPipelineClient, type PipelineClient } from '../../clients/pipeline.ts';
import { besideTarget, type Target } from '../../config/target.ts';
import { describeError, InconclusiveError, SyncproofError, UnreachableError } from '../../core/errors.ts';
import { untilAborted } from '../../core/time.ts';
import type { PartName } from '../../record/history.ts';
import { memoryRecorder } from '../../record/writer.ts';
import type {
  DatabaseAccess,
  Environment,
  EnvironmentOptions,
  Limits,
  RedisAddress,
  ServerAddress,
} from '../common/environment.ts';
import { openJournal, stopwatch } from '../common/journal.ts';
import { stoppable } from '../own/parts.ts';
import { pingPostgres, pingRedis } from '../process/probes.ts';
import { type Claims, checkTarget } from './check.ts';
import { loadDriver } from './driver.ts';
import { commandsOf } from './hooks.ts';
import { offersOf } from './offers.ts';
import { addressOf, ExternalPart, furtherInstances, hostOf } from './part.ts';

/** For components without commands. */
const NO_HOOKS = { timeout_s: 30 } as const;

/**
 * An external pipeline, as its target file describes it. Nothing is started; what cases stop is started again at the
 * latest when this ends, by any way.
 * @throws UnreachableError, UsageError: see `checkTarget`
 */
export async function startExternal(options: EnvironmentOptions & { target: Target }): Promise<Environment> {
  const { target, recorder, signal } = options;
  signal?.throwIfAborted();
  const elapsed = stopwatch();
  await using resources = new AsyncDisposableStack();
  const id = `x${Math.random().toString(16).slice(2, 12)}`;
  const journal = openJournal(recorder, id, 'external');
  journal.note('starting');
  try {
    const claims = await claimsOf(target);
    const checked = await (signal === undefined ? checkTarget(claims) : untilAborted(checkTarget(claims), signal));
    const versions = { target: target.version ?? 'unknown', ...checked };
    const folder = resources.adopt(await mkdtemp(join(tmpdir(), 'syncproof-external-')), (path) =>
      rm(path, { recursive: true, force: true }),
    );
    const { urls, accounts, drivers } = claims;
    const pipeline = resources.use(createPipelineClient({ urls, accounts, drivers, recorder: memoryRecorder() }));
    const parts = partsOf(target, claims, pipeline);
    resources.defer(() => restoreAll(Object.values(parts)));
    const further = resources.use(furtherInstances(target));
    const { signing_key_file: keyFile } = target;
    const readyMs = elapsed();
    journal.ready(readyMs, {}, versions);
    const running = {
      id,
      kind: 'external' as const,
      readyMs,
      parts,
      versions,
      folder,
      links: [],
      urls,
      accounts,
      drivers,
      secrets: target.secrets,
      services: SERVICE_NAMES.filter((name) => urls[name] !== undefined),
      capabilities: offersOf(target),
      limits: limitsOf(target),
      metricNames: target.metrics,
      build: { version: target.build?.version, gitSha: target.build?.git_sha },
      registry: claims.registry,
      logDirectory: options.logDirectory ?? folder,
      redisAddress: () => claims.redis ?? missing('redis'),
      databaseAccess: (service: 'admin' | 'query') => claims.databases[service] ?? missing(`postgres.${service}`),
      startInstance: further.start,
      signingKey: keyFile === undefined ? undefined : () => readFile(besideTarget(target, keyFile), 'utf8'),
    };
    return await stoppable(running, resources.move(), journal, signal);
  } catch (error) {
    journal.note('failed', { detail: describeError(error) });
    throw error;
  }
}

function missing(what: string): never {
  throw new SyncproofError(`The target file does not give ${what}`);
}

async function claimsOf(target: Target): Promise<Claims> {
  const { services, credentials, redis, postgres, mapping } = target;
  const url = (name: ServiceName): string | undefined => services[name]?.url.replace(/\/+$/, '');
  const urls = Object.fromEntries(
    SERVICE_NAMES.flatMap((name) => (url(name) === undefined ? [] : [[name, url(name)]])),
  );
  const accounts = Object.fromEntries(
    ROLES.flatMap((role) => {
      const account = credentials[role];
      return account === undefined
        ? []
        : [[role, { clientId: account.client_id, clientSecret: account.client_secret }]];
    }),
  );
  const own =
    target.driver === undefined ? [] : [await loadDriver(besideTarget(target, target.driver), target.secrets)];
  return {
    urls: urls as Claims['urls'],
    accounts: accounts as Claims['accounts'],
    drivers: [...own, ...(Object.keys(mapping).length === 0 ? [] : [mappingDriver(mapping)])],
    redis: redis === undefined ? undefined : redisAddressOf(redis.url),
    databases: {
      ...(postgres && { query: databaseAccessOf(postgres.query) }),
      ...(postgres?.admin && { admin: databaseAccessOf(postgres.admin) }),
    },
    registry: {
      table: postgres?.registry_table ?? 'files',
      nameColumn: postgres?.registry_name_column ?? 'original_filename',
    },
  };
}

function redisAddressOf(url: string): RedisAddress {
  const { port, username, password, protocol } = new URL(url);
  return {
    host: hostOf(url),
    port: Number(port || 6379),
    username: decodeURIComponent(username) || undefined,
    password: decodeURIComponent(password) || undefined,
    tls: protocol === 'rediss:',
  };
}

function databaseAccessOf(url: string): DatabaseAccess {
  const { port, username, password, pathname } = new URL(url);
  return {
    host: hostOf(url),
    port: Number(port || 5432),
    database: decodeURIComponent(pathname.slice(1)),
    user: decodeURIComponent(username),
    password: decodeURIComponent(password),
  };
}

function limitsOf({ limits }: Target): Limits {
  return {
    syncMs: limits.sync_ms,
    pendingRetryMs: limits.pending_retry_ms,
    streamEntriesMax: limits.stream_entries_max,
    uploadBytesMax: limits.upload_bytes_max ?? Number.POSITIVE_INFINITY,
  };
}

function partsOf(
  target: Target,
  { urls, redis, databases }: Claims,
  pipeline: PipelineClient,
): Readonly<Record<PartName, ExternalPart>> {
  const part = (name: PartName, address: ServerAddress | undefined, probe: () => Promise<unknown>): ExternalPart => {
    const hooks = target.control[name] ?? NO_HOOKS;
    return new ExternalPart({
      name,
      address,
      probe,
      commands: commandsOf(hooks),
      cwd: dirname(target.file),
      timeoutMs: hooks.timeout_s * 1000,
      secrets: target.secrets,
    });
  };
  const service = (name: ServiceName): ExternalPart => {
    const url = urls[name];
    if (url === undefined) return part(name, undefined, async () => {});
    return part(name, addressOf(url), async () => {
      const { status, error } = await pipeline.live(name, { recorded: false });
      if (status !== 200) throw new UnreachableError(`${url} answers whether it is live with ${status ?? error}`);
    });
  };
  const database = databases.query;
  return {
    redis: part('redis', redis, async () => (redis === undefined ? undefined : pingRedis(redis))),
    postgres: part('postgres', database, async () => (database === undefined ? undefined : pingPostgres(database))),
    admin: service('admin'),
    storage: service('storage'),
    ingester: service('ingester'),
    query: service('query'),
  } satisfies Record<(typeof SERVER_NAMES)[number] | ServiceName, ExternalPart>;
}

/** Restores everything, tries all, and reports what could not be restored. */
async function restoreAll(parts: readonly ExternalPart[]): Promise<void> {
  const results = await Promise.allSettled(parts.map((part) => part.restore()));
  const failed = results.flatMap((result, index) =>
    result.status === 'rejected' ? [`${parts[index]?.name}: ${describeError(result.reason)}`] : [],
  );
  if (failed.length > 0)
    throw new InconclusiveError(`Components of the target were not restored: ${failed.join('; ')}`);
}
