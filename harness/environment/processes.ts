import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { SERVICE_NAMES, type ServiceName } from '../../services/contract/names.ts';
import { machineSettings } from '../config/machine.ts';
import { packageFacts } from '../config/settings.ts';
import { describeError } from '../core/errors.ts';
import { claimPorts } from '../net/ports.ts';
import type { PartName } from '../record/history.ts';
import type { EnvironmentOptions, OwnEnvironment, ServerAddress } from './environment.ts';
import { instanceStarter } from './instances.ts';
import { type Journal, openJournal, stopwatch } from './journal.ts';
import { type Home, openHome } from './leftovers/home.ts';
import { MARK_VARIABLE, noteProcess } from './leftovers/marker.ts';
import { removeLeftovers } from './leftovers/remove.ts';
import { choosePorts, startLinks } from './links.ts';
import { ownOffers } from './offers.ts';
import { type Running, startParts, stoppable } from './parts.ts';
import { redisServerInfo } from './process/probes.ts';
import { canHaveSmallDisk, makeSmallDisk } from './process/small-disk.ts';
import { discardParts, planParts } from './process-parts.ts';
import { createAccounts, serverAccess } from './servers/credentials.ts';
import { createPasswords } from './servers/rights.ts';
import { promisesOf, REGISTRY } from './servers/services.ts';

const HOST = '127.0.0.1';

/**
 * Runs every part as a child process of this one, with real servers on this machine; see `startEnvironment`.
 * When `options.signal` aborts, also later, everything is stopped.
 */
export async function startProcesses(options: EnvironmentOptions): Promise<OwnEnvironment> {
  options.signal?.throwIfAborted();
  const elapsed = stopwatch();
  await using resources = new AsyncDisposableStack();
  const { home, journal } = await openHome(resources, options.storage ?? 'memory', (id) =>
    openJournal(options.recorder, id, 'processes'),
  );
  try {
    const running = await startAll({ options, resources, home, journal, elapsed });
    return await stoppable(running, resources.move(), journal, options.signal);
  } catch (error) {
    journal.note('failed', { detail: describeError(error) });
    throw error;
  }
}

interface StartContext {
  options: EnvironmentOptions;
  /** Owns whatever is started. */
  resources: AsyncDisposableStack;
  home: Home;
  journal: Journal;
  /** Milliseconds since the start. */
  elapsed: () => number;
}

async function startAll({
  options,
  resources,
  home,
  journal,
  elapsed,
}: StartContext): Promise<Running<OwnEnvironment>> {
  const block = resources.use(await claimPorts(HOST));
  const ports = await choosePorts(options.ports ?? {}, block, HOST);
  const address = (part: PartName): ServerAddress => ({ host: HOST, port: ports[part] });
  const links = await startLinks(resources, block, { redis: address('redis'), postgres: address('postgres') });
  const logDirectory =
    options.logDirectory === undefined ? join(home.home, 'logs') : join(options.logDirectory, home.id);
  const accounts = createAccounts();
  const redisPasswords = createPasswords();
  // Also when the parts, which take it with them, do not come about.
  resources.defer(() => removeLeftovers(home));
  const postgresDisk =
    options.postgresDisk === 'small' && canHaveSmallDisk()
      ? await makeSmallDisk(dirname(home.postgresData), {
          env: { ...machineSettings().childEnvironment, [MARK_VARIABLE]: home.id },
          logPath: join(home.home, 'small-disk.log'),
          onSpawn: (pid) => noteProcess(home, pid),
        })
      : undefined;
  const { parts, template, instance, signingKeyFile, secrets } = await planParts({
    options,
    home,
    journal,
    address,
    links,
    accounts,
    redisPasswords,
    logDirectory,
    postgresDisk,
  });
  const access = serverAccess(address, { redis: redisPasswords, postgres: template.passwords });
  resources.defer(() => discardParts(parts, home));
  const url = (name: ServiceName): string => `http://${HOST}:${ports[name]}`;
  const urls = { admin: url('admin'), storage: url('storage'), ingester: url('ingester'), query: url('query') };
  const preparedMs = elapsed();
  const steps = await startParts({
    ...{ parts, urls, accounts: accounts.roles, journal, elapsed, deferred: options.deferred ?? [] },
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  const versions: Record<string, string> = { postgres: template.version, node: process.versions.node };
  if (steps.redis !== undefined)
    versions.redis = (await redisServerInfo(access.redisAddress())).redis_version ?? 'unknown';
  const readyMs = elapsed();
  journal.ready(readyMs, { prepared: preparedMs, ...steps }, versions);
  return {
    ...{
      id: home.id,
      kind: 'processes',
      readyMs,
      urls,
      accounts: accounts.roles,
      secrets,
      parts,
      links,
      versions,
      logDirectory,
    },
    folder: home.home,
    services: SERVICE_NAMES,
    capabilities: ownOffers('processes', { postgresDisk }),
    postgresDisk,
    promises: promisesOf(options),
    build: { version: packageFacts().version },
    registry: REGISTRY,
    signingKey: () => readFile(signingKeyFile, 'utf8'),
    startInstance: instanceStarter({
      build: (name, service, port) => instance(name, service, { host: HOST, port }),
      nextPort: () => block.next(),
      host: HOST,
      signal: options.signal,
    }),
    ...access,
  };
}
