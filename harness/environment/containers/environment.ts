import { IMAGE_ROLES } from '../../config/machine.ts';
import { UnreachableError } from '../../core/errors.ts';
import type { PartName } from '../../record/history.ts';
import { connectEngine, type Engine, findHostAccess, removeContainers, within } from '../common/docker.ts';
import type { EnvironmentOptions, OwnEnvironment, RedisAddress } from '../common/environment.ts';
import { stopwatch } from '../common/journal.ts';
import { startLinks } from '../common/links.ts';
import type { Home } from '../leftovers/home.ts';
import { type OwnStart, startOwned, startPlanned } from '../own/own.ts';
import type { Running } from '../own/parts.ts';
import { redisServerInfo } from '../process/probes.ts';
import { serverAccess } from '../servers/credentials.ts';
import { chooseImages, type Images } from './images.ts';
import type { ContainerPart } from './part.ts';
import { createSmallDisk, planContainers } from './plan.ts';

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
  // Ports must be free on every address, since containers' ports are published on several.
  const places = { storage: 'disk', portsOn: '0.0.0.0' } as const;
  return startOwned({ kind: 'containers', options, elapsed }, places, (start) => startAll(start, engine, images));
}

async function startAll(start: OwnStart, engine: Engine, images: Images): Promise<Running<OwnEnvironment>> {
  const { options, resources, home, block, address } = start;
  const access = await findHostAccess(engine);
  const servers = { redis: address('redis'), postgres: address('postgres') };
  const links = await startLinks(resources, block, servers, access.bind);
  // What was created before a failure is removed with all the rest.
  resources.defer(() => removeContainers(home.id));
  const postgresDisk =
    options.postgresDisk === 'small' ? await createSmallDisk(engine, home.id, images.postgres) : undefined;
  const planned = await planContainers({ ...start, postgresDisk, engine, images, access, links });
  const { parts, passwords, instance, secrets } = planned;
  const logins = serverAccess(address, passwords);
  resources.defer(() => discardParts(parts, home));
  return startPlanned(start, {
    parts,
    secrets,
    links,
    logins,
    postgresDisk,
    instance,
    versions: () => findVersions(engine, parts, logins.redisAddress()),
    facts: { images: describeImages(images) },
  });
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
