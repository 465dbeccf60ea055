import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SERVICE_NAMES, type ServiceName } from '../../services/contract/names.ts';
import { IMAGE_ROLES } from '../config/machine.ts';
import { packageFacts } from '../config/settings.ts';
import { describeError, UnreachableError } from '../core/errors.ts';
import { claimPorts } from '../net/ports.ts';
import type { PartName } from '../record/history.ts';
import { connectEngine, type Engine, findHostAccess, removeContainers, within } from './containers/engine.ts';
import { chooseImages, type Images } from './containers/images.ts';
import type { ContainerPart } from './containers/part.ts';
import { createSmallDisk, planContainers } from './containers/plan.ts';
import type { EnvironmentOptions, OwnEnvironment, RedisAddress, ServerAddress } from './environment.ts';
import { instanceStarter } from './instances.ts';
import { type Journal, openJournal, stopwatch } from './journal.ts';
import { type Home, openHome } from './leftovers/home.ts';
import { choosePorts, startLinks } from './links.ts';
import { ownOffers } from './offers.ts';
import { type Running, startParts, stoppable } from './parts.ts';
import { redisServerInfo } from './process/probes.ts';
import { createAccounts, serverAccess, signingKeyFile } from './servers/credentials.ts';
import { promisesOf, REGISTRY } from './servers/services.ts';

const LOOPBACK = '127.0.0.1';
/** A port must be free on every address, since containers' ports are published on several. */
const ANY_ADDRESS = '0.0.0.0';
const AVAILABLE_TIMEOUT_MS = 2000;

/** Whether a Docker daemon answers and the images are there or can be pulled; says within 2 s, with the reason. */
export async function containersAvailable(): Promise<{ available: boolean; reason: string }> {
  const find = async (): Promise<string> => {
    const engine = await connectEngine(AVAILABLE_TIMEOUT_MS);
    const images = await chooseImages(engine);
    return `Docker ${engine.info.containerRuntime.serverVersion} answers and has ${describeImages(images)}`;
  };
  const late = (): Error =>
    new UnreachableError(`the Docker daemon or its registry took more than ${AVAILABLE_TIMEOUT_MS} ms to answer`);
  try {
    return { available: true, reason: await within(AVAILABLE_TIMEOUT_MS, find(), late) };
  } catch (error) {
    if (error instanceof UnreachableError) return { available: false, reason: error.message };
    throw error;
  }
}

const describeImages = (images: Images): string => IMAGE_ROLES.map((role) => images[role]).join(', ');

/**
 * Runs every part in a container of its own, from official images or those of docker/offline; see `startEnvironment`.
 * When `options.signal` aborts, also later, everything is stopped.
 */
export async function startContainers(options: EnvironmentOptions): Promise<OwnEnvironment> {
  options.signal?.throwIfAborted();
  const elapsed = stopwatch();
  const engine = await connectEngine();
  const images = await chooseImages(engine);
  await using resources = new AsyncDisposableStack();
  const { home, journal } = await openHome(
    resources,
    'disk',
    (id) => openJournal(options.recorder, id, 'containers'),
    true,
  );
  try {
    const running = await startAll({ options, resources, home, journal, elapsed, engine, images });
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
  engine: Engine;
  images: Images;
}

async function startAll(context: StartContext): Promise<Running<OwnEnvironment>> {
  const { options, resources, home, journal, elapsed, engine, images } = context;
  const access = await findHostAccess(engine);
  const block = resources.use(await claimPorts(ANY_ADDRESS));
  const ports = await choosePorts(options.ports ?? {}, block, ANY_ADDRESS);
  const address = (part: PartName): ServerAddress => ({ host: LOOPBACK, port: ports[part] });
  const servers = { redis: address('redis'), postgres: address('postgres') };
  const links = await startLinks(resources, block, servers, access.bind);
  const logDirectory =
    options.logDirectory === undefined ? join(home.home, 'logs') : join(options.logDirectory, home.id);
  const accounts = createAccounts();
  // Whatever has come about when something fails goes with all the rest.
  resources.defer(() => removeContainers(home.id));
  const postgresDisk =
    options.postgresDisk === 'small' ? await createSmallDisk(engine, home.id, images.postgres) : undefined;
  const { parts, passwords, instance, secrets } = await planContainers({
    ...{ postgresDisk, options, engine, images, access, home, journal, ports, links, accounts, logDirectory },
  });
  const logins = serverAccess(address, passwords);
  resources.defer(() => discardParts(parts, home));
  const url = (name: ServiceName): string => `http://${LOOPBACK}:${ports[name]}`;
  const urls = { admin: url('admin'), storage: url('storage'), ingester: url('ingester'), query: url('query') };
  const preparedMs = elapsed();
  const steps = await startParts({
    ...{ parts, urls, accounts: accounts.roles, journal, elapsed, deferred: options.deferred ?? [] },
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  const versions = await findVersions(engine, parts, logins.redisAddress());
  const readyMs = elapsed();
  journal.ready(readyMs, { prepared: preparedMs, ...steps }, { ...versions, images: describeImages(images) });
  return {
    ...{
      id: home.id,
      kind: 'containers',
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
    capabilities: ownOffers('containers', { postgresDisk }),
    postgresDisk,
    promises: promisesOf(options),
    build: { version: packageFacts().version },
    registry: REGISTRY,
    signingKey: async () => readFile(await signingKeyFile(), 'utf8'),
    startInstance: instanceStarter({
      build: instance,
      nextPort: () => block.next(),
      host: LOOPBACK,
      signal: options.signal,
    }),
    ...logins,
  };
}

/** Versions of what runs: servers as they answer, `node` as it is in the services' image. */
async function findVersions(
  engine: Engine,
  parts: Readonly<Record<PartName, ContainerPart>>,
  redis: RedisAddress,
): Promise<Record<string, string>> {
  const told = async (part: ContainerPart, command: string[]): Promise<string | undefined> => {
    if (part.containerId === undefined) return undefined;
    const { output } = await engine.container.exec(engine.container.getById(part.containerId), command);
    return output.match(/\d+(\.\d+)+/)?.[0];
  };
  const [postgres, node, info] = await Promise.all([
    told(parts.postgres, ['postgres', '--version']),
    told(parts.storage, ['node', '--version']),
    parts.redis.containerId === undefined ? undefined : redisServerInfo(redis),
  ]);
  const versions = { redis: info?.redis_version, postgres, node };
  return Object.fromEntries(
    Object.entries(versions).flatMap(([name, version]) => (version === undefined ? [] : [[name, version]])),
  );
}

async function discardParts(parts: Readonly<Record<PartName, ContainerPart>>, home: Home): Promise<void> {
  for (const part of Object.values(parts)) part.discard();
  await removeContainers(home.id);
  await Promise.all(Object.values(parts).map((part) => part.flushed()));
}
