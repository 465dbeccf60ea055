import { isIPv4 } from 'node:net';
import { type ContainerRuntimeClient, getContainerRuntimeClient } from 'testcontainers';
import { describeError, UnreachableError } from '../../core/errors.ts';
import { pollUntil } from '../../core/time.ts';
import { isPortFree } from '../../net/ports.ts';

export type Engine = ContainerRuntimeClient;
export type Container = ReturnType<Engine['container']['getById']>;

/** The label that every container of an environment carries, with the environment's id. */
export const ENVIRONMENT_LABEL = 'org.syncproof.environment';

/** Gives the promise's result, or rejects after `ms` with the error that `late` makes. */
export function within<T>(ms: number, promise: Promise<T>, late: () => Error): Promise<T> {
  const timer = Promise.withResolvers<never>();
  const timeout = setTimeout(() => timer.reject(late()), ms);
  return Promise.race([promise, timer.promise]).finally(() => clearTimeout(timeout));
}

/** @throws UnreachableError when no Docker daemon answers in time */
export async function connectEngine(timeoutMs = 10_000): Promise<Engine> {
  const late = (): Error => new UnreachableError(`no Docker daemon answers within ${timeoutMs} ms`);
  try {
    return await within(timeoutMs, getContainerRuntimeClient(), late);
  } catch (cause) {
    if (cause instanceof UnreachableError) throw cause;
    throw new UnreachableError(`no Docker daemon answers (${describeError(cause)})`, { cause });
  }
}

/** How containers and the harness reach each other. */
export interface HostAccess {
  /** The name or address by which containers reach listeners of this machine. */
  fromContainers: string;
  /** Where the harness's listeners for containers bind. */
  bind: string;
  /** Addresses of this machine at which containers' ports are published for the harness and for other containers. */
  publishOn: readonly string[];
  extraHosts: { host: string; ipAddress: string }[];
}

const LOOPBACK = '127.0.0.1';
const HOST_NAME = 'host.docker.internal';

/**
 * Where the daemon runs on this machine's own kernel, containers reach it at the bridge's address, and nothing is open to
 * the network outside. Where it runs in a virtual machine (Docker Desktop), its `host-gateway` leads to our loopback.
 */
export async function findHostAccess(engine: Engine): Promise<HostAccess> {
  const bridge = await engine.container.dockerode.getNetwork('bridge').inspect();
  const gateway = bridgeGateway(bridge.IPAM?.Config ?? []);
  // Tried rather than looked up: the list of interfaces leaves out a bridge to which no container is attached yet.
  return gateway !== undefined && (await isPortFree(0, gateway))
    ? { fromContainers: gateway, bind: gateway, publishOn: [LOOPBACK, gateway], extraHosts: [] }
    : {
        fromContainers: HOST_NAME,
        bind: LOOPBACK,
        publishOn: [LOOPBACK],
        extraHosts: [{ host: HOST_NAME, ipAddress: 'host-gateway' }],
      };
}

/**
 * The bridge's own IPv4 address. A daemon that has just made the bridge does not tell it until its next start (seen with
 * Docker 20.10); it is then the first address of the subnet.
 */
export function bridgeGateway(pools: readonly { Gateway?: string; Subnet?: string }[]): string | undefined {
  const told = pools.find(({ Gateway }) => Gateway !== undefined && isIPv4(Gateway))?.Gateway;
  if (told !== undefined) return told;
  const subnet = pools.map(({ Subnet }) => Subnet?.split('/')[0] ?? '').find((address) => isIPv4(address));
  return subnet?.replace(/\d+$/, (last) => String(Number(last) + 1));
}

const REMOVE_TIMEOUT_MS = 30_000;

/**
 * Removes every container of an environment, with the volumes that hold its data, whichever process started it.
 * @throws UnreachableError when no Docker daemon answers
 */
export async function removeContainers(environmentId: string): Promise<void> {
  const { dockerode } = (await connectEngine()).container;
  const remove = (id: string): Promise<void> =>
    dockerode
      .getContainer(id)
      .remove({ force: true, v: true })
      .catch((error: { statusCode?: number }) => {
        // Gone already, or just being removed by another process: what was wanted.
        if (error.statusCode !== 404 && error.statusCode !== 409) throw error;
      });
  await pollUntil(
    async () => {
      const ids = await containersOf(environmentId);
      await Promise.all(ids.map(remove));
      return ids.length === 0 ? true : undefined;
    },
    { what: `the containers of environment ${environmentId} to be gone`, timeoutMs: REMOVE_TIMEOUT_MS },
  );
  // Those with a name do not go with their containers.
  const { Volumes } = await dockerode.listVolumes({ filters: labelOf(environmentId) });
  for (const { Name } of Volumes ?? []) await dockerode.getVolume(Name).remove();
}

/** Ids of an environment's containers, running or not. */
export async function containersOf(environmentId: string): Promise<string[]> {
  const { dockerode } = (await connectEngine()).container;
  return (await dockerode.listContainers({ all: true, filters: labelOf(environmentId) })).map(({ Id }) => Id);
}

const labelOf = (environmentId: string) => ({ label: [`${ENVIRONMENT_LABEL}=${environmentId}`] });
