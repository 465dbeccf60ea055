import { rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { PROFILES, SERVICE_NAMES, type ServiceName } from '../../../services/contract/names.ts';
import { machineSettings } from '../../config/machine.ts';
import { nodeArguments } from '../../config/settings.ts';
import type { EnvironmentOptions, Limits, RegistryTable, ServerAddress } from '../common/environment.ts';
import type { PartPlan } from '../process/part.ts';
import { expectStatus } from '../process/probes.ts';
import type { Accounts } from './credentials.ts';
import { type Passwords, redisUsers } from './rights.ts';

/** What the services need to know of their surroundings, whatever they run in; addresses are as they see them. */
export interface Wiring {
  options: EnvironmentOptions;
  /** Base URL of a service, for the other services. */
  url(name: ServiceName): string;
  /** The addresses that lead through the proxies. */
  redisUrl(service: 'admin' | 'query'): string;
  databaseUrl(service: 'admin' | 'query'): string;
  /** Where storage keeps its objects. */
  objectDirectory: string;
  keyFile: string;
  clientsFile: string;
  accounts: Accounts;
}

/** Environment variables of each service: the profile's, then what connects it, then those of the run over all others. */
export function serviceSettings(wiring: Wiring): Record<ServiceName, Record<string, string>> {
  const urls = Object.fromEntries(SERVICE_NAMES.map((name) => [`${name.toUpperCase()}_URL`, wiring.url(name)]));
  const servers = (name: 'admin' | 'query'): Record<string, string> => ({
    REDIS_URL: wiring.redisUrl(name),
    DATABASE_URL: wiring.databaseUrl(name),
  });
  const { profile, settings } = wiring.options;
  const all = (name: ServiceName, own: Record<string, string>): Record<string, string> => ({
    ...PROFILES[profile],
    ...own,
    ...settings?.[name],
  });
  return {
    storage: all('storage', { ...urls, STORAGE_DIR: wiring.objectDirectory }),
    admin: all('admin', {
      ...servers('admin'),
      AUTH_PRIVATE_KEY_FILE: wiring.keyFile,
      AUTH_CLIENTS_FILE: wiring.clientsFile,
    }),
    ingester: all('ingester', urls),
    query: all('query', {
      ...urls,
      ...servers('query'),
      AUTH_CLIENT_ID: wiring.accounts.query.clientId,
      AUTH_CLIENT_SECRET: wiring.accounts.query.clientSecret,
    }),
  };
}

/** The users of Redis for services with these settings: their rights are about the stream that they use. */
export function usersOf(
  { settings, redisGrants: besides }: EnvironmentOptions,
  secretOf: (user: keyof Passwords) => string,
): string {
  const stream = settings?.query?.EVENT_STREAM_NAME;
  return redisUsers(secretOf, { stream, besides });
}

/** The reference's own defaults, where neither profile nor run says otherwise. */
const DEFAULTS = { REDIS_PENDING_RETRY_MS: 10_000, EVENT_STREAM_MAXLEN: 10_000, UPLOAD_MAX_BYTES: 2 ** 30 } as const;

/** The sync budget is that of the contract; the rest follows from the settings. */
export function limitsOf({ profile, settings }: EnvironmentOptions): Limits {
  const value = (service: ServiceName, name: keyof typeof DEFAULTS): number =>
    Number(settings?.[service]?.[name] ?? PROFILES[profile][name] ?? DEFAULTS[name]);
  return {
    syncMs: 5000,
    pendingRetryMs: value('query', 'REDIS_PENDING_RETRY_MS'),
    streamEntriesMax: value('admin', 'EVENT_STREAM_MAXLEN'),
    uploadBytesMax: value('ingester', 'UPLOAD_MAX_BYTES'),
  };
}

/** Of the reference's admin service. */
export const REGISTRY: RegistryTable = { table: 'files', nameColumn: 'original_filename' };

const PROJECT_FOLDER = fileURLToPath(new URL('../../../', import.meta.url));

export type ServicePlan = Pick<PartPlan, 'launch' | 'probe' | 'discardSignal' | 'discardGraceMs' | 'wipe'>;

export interface ServicesOptions extends Omit<Wiring, 'url'> {
  address(name: ServiceName): ServerAddress;
  /** Where node keeps compiled code between starts. */
  compileCache: string;
}

/** Plans of the reference implementation's services, started by the path of their main files. */
export interface ServicePlanner {
  services: Record<ServiceName, ServicePlan>;
  /** A further instance, at another address and otherwise the same. */
  instance(service: ServiceName, address: ServerAddress): ServicePlan;
}

export function planServices(context: ServicesOptions): ServicePlanner {
  const url = (name: ServiceName): string => `http://${context.address(name).host}:${context.address(name).port}`;
  const settings = serviceSettings({ ...context, url });
  const plan = (name: ServiceName): ServicePlan => planService(name, context.address(name), settings[name], context);
  return {
    services: {
      storage: { ...plan('storage'), wipe: () => rm(context.objectDirectory, { recursive: true, force: true }) },
      admin: plan('admin'),
      ingester: plan('ingester'),
      query: plan('query'),
    },
    instance: (service, address) => planService(service, address, settings[service], context),
  };
}

function planService(
  name: ServiceName,
  { host, port }: ServerAddress,
  settings: Record<string, string>,
  { options, compileCache }: ServicesOptions,
): ServicePlan {
  return {
    // In order, so that node writes its compile cache; short, since its draining is not awaited.
    discardSignal: 'SIGTERM',
    discardGraceMs: 1500,
    async launch() {
      return {
        command: process.execPath,
        args: [...nodeArguments(), ...(options.nodeArguments?.[name] ?? []), `services/${name}/main.ts`],
        cwd: PROJECT_FOLDER,
        env: {
          ...machineSettings().childEnvironment,
          NODE_COMPILE_CACHE: compileCache,
          ...settings,
          HOST: host,
          PORT: String(port),
        },
      };
    },
    probe: () => expectStatus(`http://${host}:${port}/health/live`),
  };
}
