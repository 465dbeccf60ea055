import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { SERVER_NAMES, SERVICE_NAMES } from '../contract/names.ts';
import { monotonicMs } from '../core/clock.ts';
import { describeError, SyncproofError, UsageError } from '../core/errors.ts';
import { claimPorts, isPortFree } from '../net/ports.ts';
import type { PartName } from '../record/history.ts';
import { awaitReady } from './await-ready.ts';
import type { DatabaseAccess, Environment, EnvironmentOptions, ServerAddress } from './environment.ts';
import {
  createMarker,
  MARK_VARIABLE,
  type Marker,
  noteProcess,
  removeFolders,
  saveMarker,
} from './leftovers/marker.ts';
import { removeLeftovers, sweep } from './leftovers/remove.ts';
import { startWatchdog } from './leftovers/watchdog.ts';
import { linkAddress, startLinks } from './links.ts';
import { cachePath } from './process/cache.ts';
import { type PartPlan, ProcessPart } from './process/part.ts';
import { redisServerInfo } from './process/probes.ts';
import { allOrFirstError } from './process/together.ts';
import { createAccounts, signingKeyFile, writeClientsFile } from './servers/credentials.ts';
import { setupPostgres } from './servers/postgres-part.ts';
import { setupRedis } from './servers/redis-part.ts';
import { planServices } from './servers/service-part.ts';

const HOST = '127.0.0.1';
const PART_NAMES = [...SERVER_NAMES, ...SERVICE_NAMES] as const;

/** Runs every part as a child process of this one, with real servers on this machine; see `startEnvironment`. */
export async function startProcesses(options: EnvironmentOptions): Promise<Environment> {
  const { recorder } = options;
  const startedAt = monotonicMs();
  const since = (from: number): number => Math.round((monotonicMs() - from) * 10) / 10;
  await using resources = new AsyncDisposableStack();
  options.signal?.throwIfAborted();

  const marker = await createMarker(options.storage ?? 'memory');
  resources.defer(() => removeFolders(marker));
  const environment = { environmentId: marker.id, kind: 'processes', type: 'environment' } as const;
  recorder.record({ ...environment, status: 'starting' });
  const watchdog = await startWatchdog(marker.home);
  resources.defer(() => watchdog.dismiss());
  await saveMarker({ ...marker, watchdog: watchdog.identity });
  // Other environments' leftovers are cleared on the side; what cannot be cleared must not keep this one from starting.
  const swept = sweep().then(
    (ids) =>
      ids.length > 0 &&
      recorder.record({ ...environment, status: 'starting', detail: `removed leftovers of ${ids.join(', ')}` }),
    (error) =>
      recorder.record({ ...environment, status: 'starting', detail: `leftovers remain: ${describeError(error)}` }),
  );
  resources.defer(async () => void (await swept));

  const block = resources.use(await claimPorts(HOST));
  const ports = await choosePorts(options.ports ?? {}, () => block.next());
  const address = (part: PartName): ServerAddress => ({ host: HOST, port: ports[part] });
  const links = await startLinks(resources, block, { redis: address('redis'), postgres: address('postgres') });
  const logDirectory = options.logDirectory ?? join(marker.home, 'logs');
  await mkdir(logDirectory, { recursive: true });

  const prepare = (part: PartName) => ({
    onProgress: (detail: string) => recorder.record({ ...environment, status: 'starting', part, detail }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  const accounts = createAccounts();
  const base = { [MARK_VARIABLE]: marker.id };
  const [redis, postgres, keyFile, clientsFile] = await allOrFirstError([
    setupRedis({ ...address('redis'), dataDirectory: join(marker.data, 'redis') }, prepare('redis')),
    setupPostgres(
      { ...address('postgres'), dataDirectory: marker.postgresData, storage: options.storage ?? 'memory' },
      prepare('postgres'),
    ),
    signingKeyFile(options.signal),
    writeClientsFile(marker.home, accounts),
  ]);
  const { template } = postgres;
  const services = planServices({
    address,
    options,
    objectDirectory: join(marker.data, 'objects'),
    compileCache: cachePath('compiled'),
    keyFile,
    clientsFile,
    redisUrl: (service) => `redis://${linkAddress(links, service, 'redis')}`,
    databaseUrl: (service) =>
      `postgres://${service}:${template.passwords[service]}@${linkAddress(links, service, 'postgres')}/${service}`,
  });

  const secrets = [
    ...Object.values(accounts).map(({ clientSecret }) => clientSecret),
    ...Object.values(template.passwords),
  ];
  const part = (
    name: PartName,
    plan: Omit<PartPlan, 'name' | 'logPath' | 'onSpawn' | 'onCrash' | 'secrets'>,
  ): ProcessPart =>
    new ProcessPart({
      ...plan,
      name,
      secrets,
      logPath: join(logDirectory, `${name}.log`),
      launch: async (signal) => {
        const launch = await plan.launch(signal);
        return { ...launch, env: { ...base, ...launch.env } };
      },
      onSpawn: (pid) => noteProcess(marker, pid),
      onCrash: (exitCode) =>
        recorder.record({ ...environment, status: 'failed', part: name, detail: `exited by itself with ${exitCode}` }),
    });
  const parts = {
    redis: part('redis', redis.plan),
    postgres: part('postgres', postgres.plan),
    admin: part('admin', services.admin),
    storage: part('storage', services.storage),
    ingester: part('ingester', services.ingester),
    query: part('query', services.query),
  };
  const preparedMs = since(startedAt);
  resources.defer(() => discardAll(parts, marker));
  const urls = {
    admin: `http://${HOST}:${ports.admin}`,
    storage: `http://${HOST}:${ports.storage}`,
    ingester: `http://${HOST}:${ports.ingester}`,
    query: `http://${HOST}:${ports.query}`,
  };

  const deferred = new Set(options.deferred ?? []);
  // One that cannot start ends the start of all others at once, instead of letting them run into their deadlines.
  const failed = new AbortController();
  const signal = options.signal === undefined ? failed.signal : AbortSignal.any([options.signal, failed.signal]);
  const timings: Record<string, number> = { prepared: preparedMs };
  const starting = PART_NAMES.filter((name) => !deferred.has(name)).map(async (name) => {
    const partStartedAt = monotonicMs();
    await parts[name].start(signal);
    timings[name] = since(startedAt);
    recorder.record({ ...environment, status: 'part-ready', part: name, ms: since(partStartedAt) });
  });
  const settled = await Promise.allSettled(
    [...starting, awaitReady({ urls, accounts, deferred, signal })].map((promise) =>
      promise.catch((error: unknown) => {
        failed.abort(error);
        throw error;
      }),
    ),
  );
  options.signal?.throwIfAborted();
  const failure = settled.find((result) => result.status === 'rejected');
  if (failure !== undefined) {
    const error: unknown = failed.signal.reason ?? failure.reason;
    recorder.record({ ...environment, status: 'failed', detail: describeError(error) });
    throw error;
  }

  const versions: Record<string, string> = { postgres: template.version, node: process.versions.node };
  if (!deferred.has('redis')) versions.redis = (await redisServerInfo(address('redis'))).redis_version ?? 'unknown';
  const ms = since(startedAt);
  const detail = Object.entries(timings)
    .map(([name, at]) => `${name} ${at}`)
    .join(', ');
  recorder.record({ ...environment, status: 'ready', ms, versions, detail });
  recorder.record({
    type: 'figure',
    name: 'environment-ready-ms',
    value: ms,
    unit: 'ms',
    detail: `processes: ${detail}`,
  });

  const owned = resources.move();
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopping ??= (async () => {
      const stoppedAt = monotonicMs();
      recorder.record({ ...environment, status: 'stopping' });
      options.signal?.removeEventListener('abort', onAbort);
      await owned.disposeAsync();
      recorder.record({ ...environment, status: 'stopped', ms: since(stoppedAt) });
    })();
    return stopping;
  };
  const onAbort = (): void => {
    stop().catch((error) =>
      recorder.record({ ...environment, status: 'failed', detail: `while stopping: ${describeError(error)}` }),
    );
  };
  options.signal?.addEventListener('abort', onAbort, { once: true });
  if (options.signal?.aborted) await stop();
  options.signal?.throwIfAborted();
  return {
    id: marker.id,
    kind: 'processes',
    urls,
    accounts,
    parts,
    links,
    versions,
    logDirectory,
    redisAddress: () => address('redis'),
    databaseAccess: (service): DatabaseAccess => ({
      ...address('postgres'),
      database: service,
      user: service,
      password: template.passwords[service],
    }),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

async function choosePorts(
  given: Partial<Record<PartName, number>>,
  next: () => number,
): Promise<Record<PartName, number>> {
  const choose = async (name: PartName): Promise<number> => {
    const port = given[name];
    if (port === undefined) return next();
    if (await isPortFree(port, HOST)) return port;
    throw new UsageError(`Expected the port of ${name} to be free, got ${port}, on which something listens`);
  };
  return {
    redis: await choose('redis'),
    postgres: await choose('postgres'),
    admin: await choose('admin'),
    storage: await choose('storage'),
    ingester: await choose('ingester'),
    query: await choose('query'),
  };
}

/** Services and servers at once: nobody needs their data any more. Whatever still carries the mark goes, too. */
async function discardAll(parts: Record<PartName, ProcessPart>, marker: Marker): Promise<void> {
  const results = await Promise.allSettled(Object.values(parts).map((part) => part.discard()));
  await removeLeftovers(marker);
  const errors = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
  if (errors.length > 0) {
    throw new SyncproofError('Parts did not end in order', { cause: new AggregateError(errors) });
  }
}
