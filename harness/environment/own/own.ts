import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SERVICE_NAMES, type ServiceName } from '../../../services/contract/names.ts';
import { CAPABILITIES, type Capability } from '../../config/capabilities.ts';
import { packageFacts } from '../../config/settings.ts';
import { describeError } from '../../core/errors.ts';
import { claimPorts, type PortBlock } from '../../net/ports.ts';
import type { PartName } from '../../record/history.ts';
import type {
  Disk,
  EnvironmentKind,
  EnvironmentOptions,
  Link,
  OwnEnvironment,
  OwnKind,
  PartControl,
  ServerAddress,
} from '../common/environment.ts';
import { type Journal, openJournal, stopwatch } from '../common/journal.ts';
import { choosePorts } from '../common/links.ts';
import { type Home, openHome } from '../leftovers/home.ts';
import { canHaveSmallDisk } from '../process/small-disk.ts';
import { type Accounts, createAccounts, type serverAccess, signingKeyFile } from '../servers/credentials.ts';
import { limitsOf, REGISTRY } from '../servers/services.ts';
import { type InstanceSource, instanceStarter } from './instances.ts';
import { type Running, startParts, stoppable } from './parts.ts';

const LOOPBACK = '127.0.0.1';

/** An environment of our own that is about to be started. */
export interface OwnStart {
  kind: OwnKind;
  options: EnvironmentOptions;
  /** Owns everything that is started. */
  resources: AsyncDisposableStack;
  home: Home;
  journal: Journal;
  /** Milliseconds since the start. */
  elapsed: () => number;
  block: PortBlock;
  ports: Readonly<Record<PartName, number>>;
  address: (part: PartName) => ServerAddress;
  accounts: Accounts;
  logDirectory: string;
}

/**
 * Starts the reference pipeline by `startAll`; when it fails, or is aborted, also later, all of it is stopped.
 * @param portsOn where a port must be free
 */
export async function startOwned(
  { kind, options, elapsed = stopwatch() }: Pick<OwnStart, 'kind' | 'options'> & Partial<Pick<OwnStart, 'elapsed'>>,
  { storage, portsOn }: { storage: 'memory' | 'disk'; portsOn: string },
  startAll: (start: OwnStart) => Promise<Running<OwnEnvironment>>,
): Promise<OwnEnvironment> {
  await using resources = new AsyncDisposableStack();
  const open = (id: string): Journal => openJournal(options.recorder, id, kind);
  const { home, journal } = await openHome(resources, storage, open, kind === 'containers');
  try {
    const block = resources.use(await claimPorts(portsOn));
    const ports = await choosePorts(options.ports ?? {}, block, portsOn);
    const address = (part: PartName): ServerAddress => ({ host: LOOPBACK, port: ports[part] });
    const logDirectory =
      options.logDirectory === undefined ? join(home.home, 'logs') : join(options.logDirectory, home.id);
    const accounts = createAccounts();
    const start = { kind, options, resources, home, journal, elapsed, block, ports, address, accounts, logDirectory };
    return await stoppable(await startAll(start), resources.move(), journal, options.signal);
  } catch (error) {
    journal.note('failed', { detail: describeError(error) });
    throw error;
  }
}

interface PlannedParts {
  parts: Readonly<Record<PartName, PartControl & { start(signal?: AbortSignal): Promise<void> }>>;
  /** What no log or report may show. */
  secrets: readonly string[];
  links: readonly Link[];
  logins: ReturnType<typeof serverAccess>;
  postgresDisk: Disk | undefined;
  /** Plans a further instance of a service. */
  instance: InstanceSource['build'];
  /** Versions of what runs; `steps` has the parts that do. */
  versions: (steps: Readonly<Record<string, number>>) => Promise<Record<string, string>>;
  /** Further facts for the journal. */
  facts?: Record<string, string>;
}

/** Starts the planned parts, and gives the environment that they are. */
export async function startPlanned(start: OwnStart, planned: PlannedParts): Promise<Running<OwnEnvironment>> {
  const { kind, options, home, journal, elapsed, block, ports, accounts, logDirectory } = start;
  const { parts, secrets, links, logins, postgresDisk } = planned;
  const { signal, deferred = [] } = options;
  const url = (name: ServiceName): string => `http://${LOOPBACK}:${ports[name]}`;
  const urls = { admin: url('admin'), storage: url('storage'), ingester: url('ingester'), query: url('query') };
  const preparedMs = elapsed();
  const steps = await startParts({ parts, urls, accounts: accounts.roles, journal, elapsed, deferred, signal });
  const versions = await planned.versions(steps);
  const readyMs = elapsed();
  journal.ready(readyMs, { prepared: preparedMs, ...steps }, { ...versions, ...planned.facts });
  return {
    id: home.id,
    kind,
    readyMs,
    urls,
    accounts: accounts.roles,
    secrets,
    parts,
    links,
    versions,
    logDirectory,
    folder: home.home,
    services: SERVICE_NAMES,
    capabilities: ownOffers(kind, { postgresDisk }),
    postgresDisk,
    limits: limitsOf(options),
    build: { version: packageFacts().version },
    registry: REGISTRY,
    signingKey: async () => readFile(await signingKeyFile(), 'utf8'),
    startInstance: instanceStarter({ build: planned.instance, ports: block, host: LOOPBACK, signal }),
    ...logins,
  };
}

/**
 * What the reference pipeline offers to cases where it is started here.
 * @param started absent: what it could offer, if asked for when it is started
 */
export function ownOffers(
  kind: EnvironmentKind,
  started?: { postgresDisk: Disk | undefined },
): ReadonlySet<Capability> {
  const fillable = started === undefined ? kind !== 'processes' || canHaveSmallDisk() : started.postgresDisk;
  return new Set([...CAPABILITIES.keys()].filter((name) => name !== 'fill postgres' || fillable));
}
