import { type ContainerRuntimeClient, getContainerRuntimeClient } from 'testcontainers';
import { describeError, UnreachableError } from '../../core/errors.ts';
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
  const gateway: unknown = bridge.IPAM?.Config?.find(
    ({ Gateway }: { Gateway?: string }) => Gateway?.includes('.') ?? false,
  )?.Gateway;
  // Tried rather than looked up: the list of interfaces leaves out a bridge to which no container is attached yet.
  return typeof gateway === 'string' && (await isPortFree(0, gateway))
    ? { fromContainers: gateway, bind: gateway, publishOn: [LOOPBACK, gateway], extraHosts: [] }
    : {
        fromContainers: HOST_NAME,
        bind: LOOPBACK,
        publishOn: [LOOPBACK],
        extraHosts: [{ host: HOST_NAME, ipAddress: 'host-gateway' }],
      };
}
