import { rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { machineSettings } from '../../config/machine.ts';
import { PROFILES, SERVICE_NAMES, type ServiceName } from '../../contract/names.ts';
import type { EnvironmentOptions, ServerAddress } from '../environment.ts';
import type { PartPlan } from '../process/part.ts';
import { expectStatus } from '../process/probes.ts';

const PROJECT_FOLDER = fileURLToPath(new URL('../../../', import.meta.url));

export type ServicePlan = Pick<PartPlan, 'launch' | 'probe' | 'discardSignal' | 'discardGraceMs' | 'wipe'>;

export interface ServicesOptions {
  options: EnvironmentOptions;
  address(name: ServiceName): ServerAddress;
  /** The addresses that lead through the proxies. */
  redisUrl(service: 'admin' | 'query'): string;
  databaseUrl(service: 'admin' | 'query'): string;
  /** Where storage keeps its objects. */
  objectDirectory: string;
  keyFile: string;
  clientsFile: string;
  /** Where node keeps compiled code between starts. */
  compileCache: string;
}

/** The plans of the reference implementation's services, started by the path of their main files. */
export function planServices(context: ServicesOptions): Record<ServiceName, ServicePlan> {
  const url = (name: ServiceName): string => `http://${context.address(name).host}:${context.address(name).port}`;
  const urls = Object.fromEntries(SERVICE_NAMES.map((name) => [`${name.toUpperCase()}_URL`, url(name)]));
  const servers = (name: 'admin' | 'query'): Record<string, string> => ({
    REDIS_URL: context.redisUrl(name),
    DATABASE_URL: context.databaseUrl(name),
  });
  return {
    storage: {
      ...planService('storage', { ...urls, STORAGE_DIR: context.objectDirectory }, context),
      wipe: () => rm(context.objectDirectory, { recursive: true, force: true }),
    },
    admin: planService(
      'admin',
      { ...servers('admin'), AUTH_PRIVATE_KEY_FILE: context.keyFile, AUTH_CLIENTS_FILE: context.clientsFile },
      context,
    ),
    ingester: planService('ingester', urls, context),
    query: planService('query', { ...urls, ...servers('query') }, context),
  };
}

function planService(name: ServiceName, wiring: Record<string, string>, context: ServicesOptions): ServicePlan {
  const { options, compileCache } = context;
  const { host, port } = context.address(name);
  return {
    // In order, so that node writes its compile cache; short, since nobody waits for what it drains.
    discardSignal: 'SIGTERM',
    discardGraceMs: 1500,
    async launch() {
      return {
        command: process.execPath,
        args: [...(options.nodeArguments?.[name] ?? []), `services/${name}/main.ts`],
        cwd: PROJECT_FOLDER,
        env: {
          ...machineSettings().childEnvironment,
          NODE_COMPILE_CACHE: compileCache,
          ...PROFILES[options.profile],
          ...wiring,
          ...options.settings?.[name],
          HOST: host,
          PORT: String(port),
        },
      };
    },
    probe: async () => {
      await expectStatus(`http://${host}:${port}/health/live`);
    },
  };
}
