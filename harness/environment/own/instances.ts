import type { ServiceName } from '../../../services/contract/names.ts';
import { untilAnswers } from '../../core/time.ts';
import type { PortBlock } from '../../net/ports.ts';
import type { Environment, Instance, PartControl } from '../common/environment.ts';
import { expectStatus } from '../process/probes.ts';

const READY_TIMEOUT_MS = 45_000;

export type InstanceName = `${ServiceName}-${number}`;

/** A part that can be ended for good. */
interface OwnedPart extends PartControl {
  start(signal?: AbortSignal): Promise<void>;
  discard(): void | Promise<void>;
}

export interface InstanceSource {
  /** Plans an instance that listens on `port`; nothing runs yet. */
  build(name: InstanceName, service: ServiceName, port: number): OwnedPart;
  ports: Pick<PortBlock, 'next' | 'release'>;
  host: string;
  signal?: AbortSignal | undefined;
}

/** Starts further instances; what is left of them at the end of the environment goes with its other processes. */
export function instanceStarter(source: InstanceSource): Environment['startInstance'] {
  const started = new Map<ServiceName, number>();
  return async (service) => {
    const number = (started.get(service) ?? 1) + 1;
    started.set(service, number);
    const name: InstanceName = `${service}-${number}`;
    const port = source.ports.next();
    const part = source.build(name, service, port);
    const url = `http://${source.host}:${port}`;
    await using cleanup = new AsyncDisposableStack();
    cleanup.defer(async () => {
      await part.kill();
      await part.discard();
      source.ports.release(port);
    });
    await part.start(source.signal);
    await untilAnswers(() => expectStatus(`${url}/health/ready`), {
      what: `${name} to be ready`,
      timeoutMs: READY_TIMEOUT_MS,
      intervalMs: 10,
      intervalMsMax: 50,
      signal: source.signal,
    });
    const owned = cleanup.move();
    return { name, service, url, part, [Symbol.asyncDispose]: () => owned.disposeAsync() } satisfies Instance;
  };
}
