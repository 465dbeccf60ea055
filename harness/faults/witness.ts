import { SyncproofError } from '../core/errors.ts';
import type {
  Environment,
  Instance,
  PartControl,
  RedisAddress,
  ServerAddress,
} from '../environment/common/environment.ts';
import { connectError, expectStatus, NoAnswerError, pingPostgres, pingRedis } from '../environment/process/probes.ts';
import type { PartLabel, PartName } from '../record/history.ts';

/** What a fault breaks: a part of the environment, or a further instance of a service. */
export interface FaultTarget {
  label: PartLabel;
  control: PartControl;
  /** The protocol in which it answers whether it lives. */
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

/** No answer for this long, on an established connection, counts as silence. */
const SILENCE_MS = 300;

/** What listens at an address, a part itself or a proxy in front of it. */
export type Listener = Pick<FaultTarget, 'protocol'> & RedisAddress;

export const listenerOf = ({ protocol, address }: FaultTarget): Listener => ({ protocol, ...address() });

/** Asks a question of the listener's own protocol: PING, a startup message, GET /health/live. */
async function ask({ protocol, ...address }: Listener, timeoutMs?: number): Promise<string> {
  const { host, port } = address;
  if (protocol === 'redis') {
    await pingRedis(address, timeoutMs);
    return 'PONG';
  }
  if (protocol === 'postgres') {
    await pingPostgres({ host, port }, timeoutMs);
    return 'takes connections';
  }
  await expectStatus(`http://${host}:${port}/health/live`, 200, timeoutMs === undefined ? {} : { timeoutMs });
  return 'live 200';
}

const at = ({ host, port }: ServerAddress): string => `${host}:${port}`;

export async function witnessAnswers(target: FaultTarget): Promise<string> {
  return `${target.label}: ${await ask(listenerOf(target))}`;
}

/** The part's process is gone and its address refuses connections. */
export async function witnessGone({ label, control }: FaultTarget, address: ServerAddress): Promise<string> {
  if (await control.running()) throw new SyncproofError(`${label} is still running`);
  return `${label}: process gone, ${await witnessRefused(address)}`;
}

export async function witnessRefused(address: ServerAddress): Promise<string> {
  const code = await connectError(address);
  if (code !== 'ECONNREFUSED') throw new SyncproofError(`${at(address)}: ${code ?? 'the connection was established'}`);
  return `${at(address)} refuses (ECONNREFUSED)`;
}

/** Connections are established, but requests over them are not answered. */
export async function witnessSilent(listener: Listener): Promise<string> {
  const code = await connectError(listener);
  if (code !== undefined) throw new SyncproofError(`${at(listener)}: ${code}`);
  try {
    await ask(listener, SILENCE_MS);
  } catch (error) {
    if (error instanceof NoAnswerError) return `${at(listener)} accepts, then is silent for ${SILENCE_MS} ms`;
    throw error;
  }
  throw new SyncproofError(`${at(listener)} answers`);
}

/** The server is reached through the proxy; while it is down itself, the proxy at least takes connections. */
export async function witnessPasses({ label, control }: FaultTarget, proxy: Listener): Promise<string> {
  if (await control.running()) return `${at(proxy)}: ${await ask(proxy)}`;
  const code = await connectError(proxy);
  if (code !== undefined) throw new SyncproofError(`${at(proxy)}: ${code}`);
  return `${at(proxy)} accepts (${label} itself is down)`;
}
