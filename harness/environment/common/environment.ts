import type { Role } from '../../../services/contract/http.ts';
import type { MetricNames, ProfileName, ServiceName } from '../../../services/contract/names.ts';
import type { Driver } from '../../clients/transport.ts';
import type { Capability } from '../../config/capabilities.ts';
import type { Target } from '../../config/target.ts';
import type { FaultProxy } from '../../net/proxy.ts';
import type { PartLabel, PartName } from '../../record/history.ts';
import type { Recorder } from '../../record/writer.ts';

/**
 * A file system with nothing but PostgreSQL's data on it, so small that it can be filled. It lives in memory, and as long
 * as its environment, however often the server ends.
 */
export interface Disk {
  /** Writes a file until nothing more can be written (ENOSPC). */
  fill(): Promise<void>;
  /** Removes that file; nothing happens when there is none. */
  relieve(): Promise<void>;
}

/** Room for the data of an hour's soak. Filled, it takes as much memory. */
export const SMALL_DISK_BYTES = 512 * 1024 * 1024;

export const BALLAST_FILE = 'ballast';

/** So that the log of changes, which PostgreSQL lets grow to a gigabyte, keeps to a small part of the disk. */
export const SMALL_DISK_SETTINGS: Readonly<Record<string, string>> = { min_wal_size: '32MB', max_wal_size: '96MB' };

/** What the harness can start by itself. */
export const ENVIRONMENT_KINDS = ['containers', 'processes'] as const;
export type OwnKind = (typeof ENVIRONMENT_KINDS)[number];
/** … or `external`: a pipeline that the harness does not start. */
export type EnvironmentKind = OwnKind | 'external';

export interface ServiceAccount {
  clientId: string;
  clientSecret: string;
}

/** A server's own address, past the fault proxy: for observers, never for services. Changes when a container restarts. */
export interface ServerAddress {
  host: string;
  port: number;
}

export interface RedisAddress extends ServerAddress {
  username?: string;
  password?: string;
  tls?: boolean;
}

export interface DatabaseAccess extends ServerAddress {
  database: string;
  user: string;
  password: string;
}

/** Lifecycle control of one component. Every promise resolves only once the effect can be seen from outside. */
export interface PartControl {
  readonly name: PartLabel;
  /** True while the part's process exists, paused or not. */
  running(): Promise<boolean>;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** SIGTERM, then waits up to `graceMs`; throws DeadlineError (and kills) when it does not exit by itself. */
  stop(graceMs?: number): Promise<{ exitCode: number | null; ms: number }>;
  /** SIGSTOP (or a container pause). */
  pause(): Promise<void>;
  /** SIGCONT. */
  resume(): Promise<void>;
  /** Starts a part that is not running, at its old address and with its old data; resolves when it answers (PONG, a query, /health/live 200). */
  start(): Promise<void>;
  /** Sends a signal to a process of its tree, e.g. one backend of PostgreSQL, by the pid that the part itself gives. */
  signalChild(pid: number, signal: 'SIGSTOP' | 'SIGCONT'): Promise<void>;
  /** Removes the data of a stopped server; a part without data throws. */
  wipe(): Promise<void>;
  /** What it printed so far, secrets never among it. */
  logs(): Promise<string>;
  /**
   * Resident memory of all its processes, in bytes; of a container, the anonymous memory of its control group. Undefined
   * while it does not run and where it cannot be read; absent where it never can.
   */
  memoryBytes?(): Promise<number | undefined>;
}

/** The build that is meant to run. */
export interface Build {
  version?: string;
  gitSha?: string;
}

export interface RegistryTable {
  table: string;
  /** The column with the file's name. */
  nameColumn: string;
}

/** A further instance of a service, beside the one that every environment has. Disposing ends it. */
export interface Instance extends AsyncDisposable {
  readonly name: `${ServiceName}-${number}`;
  readonly service: ServiceName;
  readonly url: string;
  readonly part: PartControl;
}

/** Services of which there may be several. */
export type ScalableService = 'admin' | 'query';

/** Limits that a pipeline keeps to: how long cases wait, and what they may ask for. */
export interface Limits {
  /** A committed change is visible within this time while no fault is active, in ms. */
  syncMs: number;
  /** Entries that a consumer held for longer are taken over by another, in ms. */
  pendingRetryMs: number;
  /** About how many entries the stream keeps. */
  streamEntriesMax: number;
  /** Larger uploads are refused, in bytes. */
  uploadBytesMax: number;
}

/** One wire between a service and a server, through the harness's proxy. */
export interface Link {
  client: ServiceName;
  server: 'redis' | 'postgres';
  proxy: FaultProxy;
}

export interface Environment extends AsyncDisposable {
  readonly id: string;
  readonly kind: EnvironmentKind;
  /** From the call that started it until every part answered, in ms. */
  readonly readyMs: number;
  /** The services that it has. */
  readonly services: readonly ServiceName[];
  /** Base URLs of these, without a trailing slash, stable over restarts: `http://127.0.0.1:41000`. */
  readonly urls: Readonly<Record<'admin' | 'query', string> & Partial<Record<ServiceName, string>>>;
  /** At most one account per role. */
  readonly accounts: Readonly<Record<'ADMIN', ServiceAccount> & Partial<Record<Role, ServiceAccount>>>;
  /** What must not be disclosed of it: the secrets of its accounts, and passwords at its servers. */
  readonly secrets: readonly string[];
  /** What stands between the contract and the services. */
  readonly drivers?: readonly Driver[];
  readonly parts: Readonly<Record<PartName, PartControl>>;
  /** admin→redis, query→redis, admin→postgres, query→postgres. */
  readonly links: readonly Link[];
  /** As a superuser, which services are not. */
  redisAddress(): RedisAddress;
  databaseAccess(service: 'admin' | 'query'): DatabaseAccess;
  /** PostgreSQL's, where it was requested and is available. */
  readonly postgresDisk?: Disk | undefined;
  /** What it offers to cases. */
  readonly capabilities: ReadonlySet<Capability>;
  readonly limits: Limits;
  /** Its own names of metrics, where they are not those of the contract. */
  readonly metricNames?: MetricNames;
  /** What `/version` of every service must answer, as far as that is known. */
  readonly build: Build;
  /** The private key that signs tokens (PEM), where that is known. */
  signingKey?(): Promise<string>;
  /** Where the registry keeps files in admin's database. */
  readonly registry: RegistryTable;
  /** Starts another instance of a service; resolves when it is ready. It ends with the environment at the latest. */
  startInstance(service: ScalableService): Promise<Instance>;
  /** Versions of the parts: `{ redis, postgres, node }`. */
  readonly versions: Readonly<Record<string, string>>;
  /** A folder of its own for small files; goes with the environment. */
  readonly folder: string;
  /** Folder with one log file per part. */
  readonly logDirectory: string;
  /** Stops everything and removes every process, container, port and folder. Safe to call twice. */
  stop(): Promise<void>;
}

/** One that the harness started itself: it has everything. */
export interface OwnEnvironment extends Environment {
  readonly kind: OwnKind;
  readonly urls: Readonly<Record<ServiceName, string>>;
  readonly accounts: Readonly<Record<Role, ServiceAccount>>;
  /** As a service itself logs in, with its rights; past the fault proxy all the same. */
  accessOf(service: 'admin' | 'query'): { redis: RedisAddress; database: DatabaseAccess };
}

export function isOwn(environment: Environment): environment is OwnEnvironment {
  return environment.kind !== 'external';
}

export interface EnvironmentOptions {
  kind: EnvironmentKind;
  /** The pipeline to judge, for `external`. */
  target?: Target;
  profile: ProfileName;
  recorder: Recorder;
  /** Extra settings (environment variables) per service, over those of the profile. */
  settings?: Partial<Record<ServiceName, Record<string, string>>>;
  /** Arguments for `node` before a service's main file, e.g. `--import` of a mutant loader. */
  nodeArguments?: Partial<Record<ServiceName, readonly string[]>>;
  /** `memory`: data on /dev/shm where there is one, for functional cases. `disk`: real disk with fsync, for anything measured. */
  storage?: 'memory' | 'disk';
  /** `small`: PostgreSQL's data on a separate file system that can be filled, where available (`fill postgres`). */
  postgresDisk?: 'small';
  /** Parts that are not started with the rest (SYNC-09): start them with `parts.x.start()`. */
  deferred?: readonly PartName[];
  /** What a service's user at Redis may do besides what the reference needs, as ACL selectors: for broken variants. */
  redisGrants?: Partial<Record<'admin' | 'query', readonly string[]>>;
  /** Ports of the services and servers; absent means free ones. */
  ports?: Partial<Record<PartName, number>>;
  /** Logs go to a folder of this one, named by the environment's id, and stay. Absent: a temporary one, removed at stop. */
  logDirectory?: string;
  signal?: AbortSignal;
}
