import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ServerName, type ServiceName, STANDARD_PORTS } from '../../../services/contract/names.ts';
import type { PartLabel, PartName } from '../../record/history.ts';
import { ENVIRONMENT_LABEL, type Engine, type HostAccess } from '../common/docker.ts';
import { BALLAST_FILE, type Disk, type Link, SMALL_DISK_BYTES, SMALL_DISK_SETTINGS } from '../common/environment.ts';
import { crashNote } from '../common/journal.ts';
import { linkAddress } from '../common/links.ts';
import type { OwnStart } from '../own/own.ts';
import { expectStatus, pingPostgres, pingRedis } from '../process/probes.ts';
import { secretsOf, signingKeyFile, writeClientsFile } from '../servers/credentials.ts';
import { REDIS_SETTINGS } from '../servers/redis-part.ts';
import { createPasswords, hashedSecret, type Passwords } from '../servers/rights.ts';
import { serviceSettings, usersOf } from '../servers/services.ts';
import { type Images, PROJECT_FOLDER } from './images.ts';
import { ContainerPart, type ContainerPartOptions, type PartRecipe } from './part.ts';

const FOLDER = '/disk';

/** A small disk that containers can share by the name of a volume. */
export interface DiskVolume extends Disk {
  volume: string;
}

/**
 * Makes a volume in memory, and a container that does nothing but keep it: the daemon empties such a volume when the last
 * container that uses it ends. Both carry the environment's label, and go with its containers.
 * @param image of the keeper; it has `cat`, `rm` and a shell
 */
export async function createSmallDisk(engine: Engine, environmentId: string, image: string): Promise<DiskVolume> {
  const { dockerode } = engine.container;
  const labels = { [ENVIRONMENT_LABEL]: environmentId };
  const volume = `syncproof-${environmentId}-postgres`;
  // As open as /tmp: PostgreSQL is another user in each image.
  const options = { type: 'tmpfs', device: 'tmpfs', o: `size=${SMALL_DISK_BYTES},mode=1777` };
  await dockerode.createVolume({ Name: volume, Driver: 'local', DriverOpts: options, Labels: labels });
  const keeper = await dockerode.createContainer({
    name: `${volume}-disk`,
    Image: image,
    Labels: labels,
    // Waits for input that never comes.
    Entrypoint: ['cat'],
    Cmd: [],
    OpenStdin: true,
    Healthcheck: { Test: ['NONE'] },
    HostConfig: { Binds: [`${volume}:${FOLDER}`], NetworkMode: 'none' },
  });
  await keeper.start();
  const shell = async (script: string): Promise<void> => {
    const { output, exitCode } = await engine.container.exec(keeper, ['sh', '-c', script]);
    if (exitCode !== 0) throw new Error(`${script}: ${output.trim()}`);
  };
  return {
    volume,
    fill: () => shell(`! cat /dev/zero >> ${FOLDER}/${BALLAST_FILE}`),
    relieve: () => shell(`rm -f ${FOLDER}/${BALLAST_FILE}`),
  };
}

/** The ports are those of this machine at which the parts are published. */
interface ContainerPartsOptions extends OwnStart {
  engine: Engine;
  images: Images;
  access: HostAccess;
  links: readonly Link[];
  postgresDisk: DiskVolume | undefined;
}

/** Places inside the containers; the project's folder is docker/Dockerfile's. */
const APP = '/app';
const KEY_FILE = '/run/syncproof/private.pem';
const CLIENTS_FILE = '/run/syncproof/clients.json';
const USERS_FILE = '/run/syncproof/redis-users.acl';
const INIT_SCRIPT = 'docker/postgres/init-databases.sh';
/** The only folder besides the image's own from which `nodeArguments` may load something. */
const MUTANTS = 'suites/mutants';

const LOOPBACK = '127.0.0.1';
const REDIS_PORT = 6379;
const POSTGRES_PORT = 5432;
const POSTGRES_VOLUME = '/var/lib/postgresql';

type Special = Pick<PartRecipe, 'image' | 'command' | 'environment' | 'containerPort'> &
  Partial<Pick<PartRecipe, 'files' | 'folders' | 'volumes' | 'publishOn'>> &
  Pick<ContainerPartOptions, 'probe'> & { stopSignal?: NodeJS.Signals; hasData?: boolean };

/** Plans every part; no container exists yet. */
export async function planContainers(context: ContainerPartsOptions): Promise<{
  parts: Readonly<Record<PartName, ContainerPart>>;
  passwords: Readonly<Record<ServerName, Passwords>>;
  /** Of accounts and servers. */
  secrets: readonly string[];
  /** Plans a further instance of a service, published at `port`. */
  instance: (name: PartLabel, service: ServiceName, port: number) => ContainerPart;
}> {
  const passwords = { redis: createPasswords(), postgres: createPasswords() };
  const secrets = [...secretsOf(context.accounts), ...Object.values(passwords).flatMap((all) => Object.values(all))];
  await mkdir(context.logDirectory, { recursive: true });
  const build = (name: PartLabel, port: number, special: Special): ContainerPart =>
    buildPart(name, port, special, secrets, context);
  const { ports } = context;
  const services = await planServices(context, passwords);
  const instance = (name: PartLabel, service: ServiceName, port: number): ContainerPart =>
    build(name, port, services(service, port));
  const parts = {
    redis: build('redis', ports.redis, planRedis(context, passwords.redis)),
    postgres: build('postgres', ports.postgres, await planPostgres(context, passwords.postgres)),
    admin: instance('admin', 'admin', ports.admin),
    storage: instance('storage', 'storage', ports.storage),
    ingester: instance('ingester', 'ingester', ports.ingester),
    query: instance('query', 'query', ports.query),
  };
  return { parts, passwords, secrets, instance };
}

function planRedis({ images, ports, options }: ContainerPartsOptions, passwords: Passwords): Special {
  const settings = { ...REDIS_SETTINGS, bind: '* -::*', dir: '/data', aclfile: USERS_FILE };
  return {
    image: images.redis,
    command: ['redis-server', ...Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])],
    environment: {},
    // Every user of the container can read it, which the server's own must; it tells no password.
    files: [{ content: usersOf(options, (user) => hashedSecret(passwords[user])), target: USERS_FILE }],
    containerPort: REDIS_PORT,
    publishOn: [LOOPBACK],
    probe: () => pingRedis({ host: LOOPBACK, port: ports.redis, password: passwords.harness }),
    hasData: true,
  };
}

async function planPostgres(
  { images, ports, options, postgresDisk }: ContainerPartsOptions,
  passwords: Passwords,
): Promise<Special> {
  const settings = {
    timezone: 'UTC',
    log_timezone: 'UTC',
    ...(options.storage !== 'disk' && { fsync: 'off', full_page_writes: 'off' }),
    ...(postgresDisk && SMALL_DISK_SETTINGS),
  };
  const script = await readFile(join(PROJECT_FOLDER, INIT_SCRIPT), 'utf8');
  return {
    image: images.postgres,
    command: ['postgres', ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    environment: {
      POSTGRES_PASSWORD: passwords.harness,
      ADMIN_DB_PASSWORD: passwords.admin,
      QUERY_DB_PASSWORD: passwords.query,
      POSTGRES_INITDB_ARGS:
        '--encoding=UTF8 --locale=C.UTF-8 --locale-provider=builtin --builtin-locale=C.UTF-8 --no-sync',
    },
    files: [{ content: script, target: '/docker-entrypoint-initdb.d/10-databases.sh' }],
    volumes: postgresDisk === undefined ? [] : [{ name: postgresDisk.volume, target: POSTGRES_VOLUME }],
    containerPort: POSTGRES_PORT,
    publishOn: [LOOPBACK],
    probe: () => pingPostgres({ host: LOOPBACK, port: ports.postgres }),
    // Fast shutdown: clients are disconnected (PostgreSQL documentation, "Shutting Down the Server").
    stopSignal: 'SIGINT',
    hasData: true,
  };
}

async function planServices(
  context: ContainerPartsOptions,
  { redis, postgres }: Readonly<Record<ServerName, Passwords>>,
): Promise<(name: ServiceName, port: number) => Special> {
  const { options, images, access, home, links, ports } = context;
  const settings = serviceSettings({
    options,
    url: (name) => `http://${access.fromContainers}:${ports[name]}`,
    redisUrl: (service) =>
      `redis://${service}:${redis[service]}@${fromContainers(linkAddress(links, service, 'redis'), access)}`,
    databaseUrl: (service) =>
      `postgres://${service}:${postgres[service]}@${fromContainers(linkAddress(links, service, 'postgres'), access)}/${service}`,
    objectDirectory: '/data',
    keyFile: KEY_FILE,
    clientsFile: CLIENTS_FILE,
    accounts: context.accounts,
  });
  const files = [
    { content: await readFile(await signingKeyFile(options.signal), 'utf8'), target: KEY_FILE },
    { content: await readFile(await writeClientsFile(home.home, context.accounts), 'utf8'), target: CLIENTS_FILE },
  ];
  return (name, port) => {
    const nodeArguments = options.nodeArguments?.[name] ?? [];
    const mutants = { source: join(PROJECT_FOLDER, MUTANTS), target: `${APP}/${MUTANTS}` };
    return {
      image: images.service,
      command: [...nodeArguments.map(insideContainer), `services/${name}/main.ts`],
      environment: { ...settings[name], HOST: '0.0.0.0', PORT: String(STANDARD_PORTS[name]) },
      containerPort: STANDARD_PORTS[name],
      folders: nodeArguments.length > 0 && existsSync(mutants.source) ? [mutants] : [],
      probe: () => expectStatus(`http://${LOOPBACK}:${port}/health/live`),
      files: name === 'admin' ? files : [],
      hasData: name === 'storage',
    };
  };
}

/** The proxy's address as containers see it. */
const fromContainers = (address: string, access: HostAccess): string =>
  `${access.fromContainers}:${address.slice(address.lastIndexOf(':') + 1)}`;

/** Paths and file URLs in the project's folder become those in the container's. */
const insideContainer = (argument: string): string => argument.replaceAll(PROJECT_FOLDER, `${APP}/`);

function buildPart(
  name: PartLabel,
  hostPort: number,
  special: Special,
  secrets: readonly string[],
  { engine, access, home, journal, logDirectory }: ContainerPartsOptions,
): ContainerPart {
  const { probe, stopSignal = 'SIGTERM', hasData = false, ...recipe } = special;
  return new ContainerPart({
    name,
    engine,
    recipe: {
      files: [],
      folders: [],
      volumes: [],
      publishOn: access.publishOn,
      extraHosts: access.extraHosts,
      ...recipe,
      environmentId: home.id,
      part: name,
      hostPort,
    },
    logPath: join(logDirectory, `${name}.log`),
    probe,
    stopSignal,
    hasData,
    secrets,
    onCrash: crashNote(journal, name),
  });
}
