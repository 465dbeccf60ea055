import { SyncproofError } from '../core/errors.ts';
import type { RedisAddress, ServerAddress } from '../environment/environment.ts';
import { connectError, expectStatus, NoAnswerError, pingPostgres } from '../environment/process/probes.ts';
import { pingRedis } from '../environment/process/redis-probes.ts';
import type { FaultTarget } from './target.ts';

/** Silence for this long, on a connection that came about, counts as silence. */
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
  if (code !== 'ECONNREFUSED') throw new SyncproofError(`${at(address)}: ${code ?? 'the connection came about'}`);
  return `${at(address)} refuses (ECONNREFUSED)`;
}

/** Connections come about, but what is asked over them is not answered. */
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
