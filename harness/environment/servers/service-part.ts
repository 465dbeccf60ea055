import { rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { machineSettings } from '../../config/machine.ts';
import { nodeArguments } from '../../config/settings.ts';
import type { ServiceName } from '../../contract/names.ts';
import type { ServerAddress } from '../environment.ts';
import type { PartPlan } from '../process/part.ts';
import { expectStatus } from '../process/probes.ts';
import { serviceSettings, type Wiring } from './service-settings.ts';

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
    // In order, so that node writes its compile cache; short, since nobody waits for what it drains.
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
    probe: async () => {
      await expectStatus(`http://${host}:${port}/health/live`);
    },
  };
}
