import { SyncproofError } from '../core/errors.ts';
import type { Environment, Instance, PartControl, RedisAddress, ServerAddress } from '../environment/environment.ts';
import type { PartLabel, PartName } from '../record/history.ts';

/** What a fault breaks: a part of the environment, or a further instance of a service. */
export interface FaultTarget {
  label: PartLabel;
  control: PartControl;
  /** What it speaks to whoever asks whether it lives. */
  protocol: 'redis' | 'postgres' | 'http';
  /** Where it listens itself, past any proxy. Read anew each time: a container may move when it restarts. */
  address(): RedisAddress;
}

export function targetOf(environment: Environment, part: PartName): FaultTarget {
  const control = environment.parts[part];
  if (part === 'redis') return { label: part, control, protocol: 'redis', address: () => environment.redisAddress() };
  if (part === 'postgres') {
    // That of the read model, which every target with a PostgreSQL gives.
    const address = (): ServerAddress => {
      const { host, port } = environment.databaseAccess('query');
      return { host, port };
    };
    return { label: part, control, protocol: 'postgres', address };
  }
  const url = environment.urls[part];
  if (url === undefined) throw new SyncproofError(`The target has no ${part}`);
  return { label: part, control, protocol: 'http', address: () => addressIn(url) };
}

export function targetOfInstance({ name, part, url }: Instance): FaultTarget {
  return { label: name, control: part, protocol: 'http', address: () => addressIn(url) };
}

function addressIn(url: string): ServerAddress {
  const { hostname, port, protocol } = new URL(url);
  return { host: hostname, port: Number(port || (protocol === 'https:' ? 443 : 80)) };
}
