import { SyncproofError } from '../core/errors.ts';
import type { Environment, ServerAddress } from '../environment/environment.ts';
import { connectError, expectStatus, NoAnswerError, pingPostgres, pingRedis } from '../environment/process/probes.ts';
import type { PartName } from '../record/history.ts';

/** Silence for this long, on a connection that came about, counts as silence. */
const SILENCE_MS = 300;

/** Where a part itself listens, past any proxy. Read anew each time: a container may move when it restarts. */
export function addressOf(environment: Environment, part: PartName): ServerAddress {
  if (part === 'redis') return environment.redisAddress();
  if (part === 'postgres') return environment.databaseAccess('admin');
  const { hostname, port } = new URL(environment.urls[part]);
  return { host: hostname, port: Number(port) };
}

/** Asks a part (or a proxy in front of it) a question of its own protocol: PING, a startup message, GET /health/live. */
async function ask(part: PartName, { host, port }: ServerAddress, timeoutMs?: number): Promise<string> {
  if (part === 'redis') {
    await pingRedis({ host, port }, timeoutMs);
    return 'PONG';
  }
  if (part === 'postgres') {
    await pingPostgres({ host, port }, timeoutMs);
    return 'takes connections';
  }
  await expectStatus(`http://${host}:${port}/health/live`, 200, timeoutMs === undefined ? {} : { timeoutMs });
  return 'live 200';
}

const at = ({ host, port }: ServerAddress): string => `${host}:${port}`;

export async function witnessAnswers(environment: Environment, part: PartName): Promise<string> {
  return `${part}: ${await ask(part, addressOf(environment, part))}`;
}

/** The part's process is gone and its address refuses connections. */
export async function witnessGone(environment: Environment, part: PartName, address: ServerAddress): Promise<string> {
  if (await environment.parts[part].running()) throw new SyncproofError(`${part} is still running`);
  return `${part}: process gone, ${await witnessRefused(address)}`;
}

export async function witnessRefused(address: ServerAddress): Promise<string> {
  const code = await connectError(address);
  if (code !== 'ECONNREFUSED') throw new SyncproofError(`${at(address)}: ${code ?? 'the connection came about'}`);
  return `${at(address)} refuses (ECONNREFUSED)`;
}

/** Connections come about, but what is asked over them is not answered. */
export async function witnessSilent(part: PartName, address: ServerAddress): Promise<string> {
  const code = await connectError(address);
  if (code !== undefined) throw new SyncproofError(`${at(address)}: ${code}`);
  try {
    await ask(part, address, SILENCE_MS);
  } catch (error) {
    if (error instanceof NoAnswerError) return `${at(address)} accepts, then is silent for ${SILENCE_MS} ms`;
    throw error;
  }
  throw new SyncproofError(`${at(address)} answers`);
}

/** The server is reached through the proxy; while it is down itself, the proxy at least takes connections. */
export async function witnessPasses(environment: Environment, part: PartName, address: ServerAddress): Promise<string> {
  if (await environment.parts[part].running()) return `${at(address)}: ${await ask(part, address)}`;
  const code = await connectError(address);
  if (code !== undefined) throw new SyncproofError(`${at(address)}: ${code}`);
  return `${at(address)} accepts (${part} itself is down)`;
}
