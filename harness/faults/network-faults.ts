import type { ServerName, ServiceName } from '../../services/contract/names.ts';
import { SyncproofError } from '../core/errors.ts';
import { seededRandom } from '../core/random.ts';
import type { Environment, Link } from '../environment/common/environment.ts';
import type { FaultPlan } from './fault.ts';
import { type Listener, targetOf, witnessPasses, witnessRefused, witnessSilent } from './witness.ts';

export interface WireChoice {
  /** Absent: every client of the server. */
  client?: ServiceName;
  server: ServerName;
}

/** Open connections are reset and new ones refused, while the server itself lives on. */
export function refusePlan(environment: Environment, choice: WireChoice): FaultPlan {
  return modePlan(environment, choice, { mode: 'refuse', kind: 'refused' }, ({ proxy }) => witnessRefused(proxy));
}

export interface BlackholeChoice extends WireChoice {
  /** What gets lost: what clients send, what the server answers, or (absent) both. */
  only?: 'requests' | 'replies';
}

/** Nothing passes, nothing is closed: what a lost route looks like from both ends, or from one. */
export function blackholePlan(environment: Environment, choice: BlackholeChoice): FaultPlan {
  const { only } = choice;
  const change =
    only === undefined
      ? ({ mode: 'blackhole', kind: 'blackholed' } as const)
      : ({ mode: `blackhole-${only}`, kind: `${only}-blackholed` } as const);
  return modePlan(environment, choice, change, async (link) => {
    const { proxy } = link;
    const before = proxy.counters().bytesSwallowed;
    const silence = await witnessSilent(listenerOf(environment, link));
    const swallowed = proxy.counters().bytesSwallowed - before;
    if (swallowed === 0) throw new SyncproofError(`the proxy on ${proxy.host}:${proxy.port} swallowed nothing`);
    return `${silence}, ${swallowed} bytes swallowed`;
  });
}

/**
 * Open connections become half-open: neither end hears of the other again, while new ones are established. A firewall
 * that dropped its table does so, or a server that restarted at the same address without closing its connections.
 */
export function forgetPlan(environment: Environment, choice: WireChoice): FaultPlan {
  const links = linksOf(environment, choice);
  let forgotten = 0;
  return {
    ...common(environment, choice, 'connections-forgotten', links),
    momentary: true,
    async apply() {
      forgotten = links.reduce((sum, { proxy }) => sum + proxy.forgetOpen(), 0);
    },
    async witness() {
      if (forgotten === 0) throw new SyncproofError('no connection was open');
      return `${forgotten} open connections are half-open`;
    },
    undo: async () => {},
  };
}

export interface DelayChoice extends WireChoice {
  /** How long each chunk is under way, in each direction, in ms. */
  ms: number;
  /** Each is up to so much longer or shorter under way, in ms; at most `ms`. */
  jitterMs?: number;
  /** Draws by how much. */
  seed?: number;
}

/**
 * A long way to the server, now longer, now shorter where there is jitter. The witness is a question whose answer takes as
 * long as both directions together at least.
 */
export function delayPlan(environment: Environment, choice: DelayChoice): FaultPlan {
  const { ms, jitterMs = 0, seed = 1 } = choice;
  const links = linksOf(environment, choice);
  return {
    ...common(environment, choice, jitterMs === 0 ? 'delayed' : 'jittery', links),
    async apply() {
      const random = seededRandom(seed);
      for (const { client, proxy } of links) proxy.setDelay(ms, { ms: jitterMs, random: random.fork(client) });
    },
    witness: () =>
      forEach(links, async (link) => {
        const startedAt = performance.now();
        await witnessPasses(targetOf(environment, link.server), listenerOf(environment, link));
        const tookMs = performance.now() - startedAt;
        if (tookMs < 2 * (ms - jitterMs)) throw new SyncproofError(`an answer took only ${tookMs.toFixed(1)} ms`);
        const { delayMsLeast, delayMsMost } = link.proxy.counters();
        if (jitterMs > 0 && delayMsLeast === delayMsMost) throw new SyncproofError('all chunks take equally long');
        const range = jitterMs === 0 ? '' : `, chunks take ${delayMsLeast.toFixed(1)} to ${delayMsMost.toFixed(1)} ms`;
        return `answers after ${tookMs.toFixed(1)} ms${range}`;
      }),
    async undo() {
      for (const { proxy } of links) proxy.setDelay(0);
    },
  };
}

export interface ThrottleChoice extends WireChoice {
  /** Of each connection, in each direction. */
  bytesPerSecond: number;
}

/** A narrow way to the server. The witness is what the proxy let pass at that pace, in as much time as it needs at least. */
export function throttlePlan(environment: Environment, choice: ThrottleChoice): FaultPlan {
  const { bytesPerSecond } = choice;
  const links = linksOf(environment, choice);
  return {
    ...common(environment, choice, 'throttled', links),
    async apply() {
      for (const { proxy } of links) proxy.setPace(bytesPerSecond);
    },
    witness: () =>
      forEach(links, async (link) => {
        const before = link.proxy.counters().bytesPaced;
        const answer = await witnessPasses(targetOf(environment, link.server), listenerOf(environment, link));
        const paced = link.proxy.counters().bytesPaced - before;
        if (paced === 0) throw new SyncproofError('the proxy delayed nothing');
        return `${answer}, ${paced} bytes at ${bytesPerSecond} bytes/s`;
      }),
    async undo() {
      for (const { proxy } of links) proxy.setPace();
    },
  };
}

export interface ReplyLossChoice {
  client: ServiceName;
  server: ServerName;
  /** How many answers get lost. */
  count: number;
  /** A command of Redis, e.g. `XADD`; absent: the answers to any request. */
  command?: string;
}

/**
 * The answers to the client's next requests get lost: the server carries them out, the client's connection is reset.
 * Takes effect with the first loss, so other clients have to send requests meanwhile.
 */
export function replyLossPlan(environment: Environment, choice: ReplyLossChoice): FaultPlan {
  const { count, command } = choice;
  const links = linksOf(environment, choice);
  const before = links.map(({ proxy }) => proxy.counters().repliesLost);
  const lost = (): number =>
    links.reduce((sum, { proxy }, i) => sum + proxy.counters().repliesLost - (before[i] ?? 0), 0);
  return {
    ...common(environment, choice, 'replies-lost', links),
    async apply() {
      const matches = command === undefined ? undefined : carries(command);
      for (const { proxy } of links) proxy.loseReplies(count, matches);
    },
    async witness() {
      if (lost() === 0) throw new SyncproofError('no answer was lost yet');
      return `the proxy lost ${lost()} of ${count} answers so far`;
    },
    async undo() {
      for (const { proxy } of links) proxy.loseReplies(0);
    },
    async witnessHealed() {
      return `${lost()} answers were lost; ${await common(environment, choice, '', links).witnessHealed()}`;
    },
  };
}

/** Command names are bulk strings in either case (RESP, "Sending commands to a Redis server"). */
function carries(command: string): (request: Buffer) => boolean {
  const name = new RegExp(`\\r\\n${command}\\r\\n`, 'i');
  return (request) => name.test(request.toString('latin1'));
}

function modePlan(
  environment: Environment,
  choice: WireChoice,
  { mode, kind }: { mode: Link['proxy']['mode']; kind: string },
  witness: (link: Link) => Promise<string>,
): FaultPlan {
  const links = linksOf(environment, choice);
  return {
    ...common(environment, choice, kind, links),
    async apply() {
      await Promise.all(links.map(({ proxy }) => proxy.setMode(mode)));
    },
    witness: () => forEach(links, witness),
    async undo() {
      await Promise.all(links.map(({ proxy }) => proxy.setMode('pass')));
    },
  };
}

function linksOf({ links }: Environment, { client, server }: WireChoice): Link[] {
  return links.filter((link) => link.server === server && (client ?? link.client) === link.client);
}

function common(
  environment: Environment,
  { client, server }: WireChoice,
  kind: string,
  links: readonly Link[],
): Pick<FaultPlan, 'kind' | 'target' | 'check' | 'witnessHealed'> {
  return {
    kind: `${server}-${kind}`,
    target: server,
    async check() {
      if (links.length === 0) throw new SyncproofError(`${client ?? 'No client'} has no link to ${server}`);
      const taken = links.find(({ proxy }) => proxy.mode !== 'pass');
      if (taken) throw new SyncproofError(`${taken.client}→${taken.server} is already in mode ${taken.proxy.mode}`);
    },
    witnessHealed: () =>
      forEach(links, (link) => witnessPasses(targetOf(environment, link.server), listenerOf(environment, link))),
  };
}

/** The proxy in front of a server, which is spoken to as the server is. */
function listenerOf(environment: Environment, { server, proxy: { host, port } }: Link): Listener {
  return { ...(server === 'redis' && environment.redisAddress()), protocol: server, host, port };
}

async function forEach(links: readonly Link[], probe: (link: Link) => Promise<string>): Promise<string> {
  const seen = await Promise.all(links.map(async (link) => `${link.client}→${link.server} ${await probe(link)}`));
  return seen.join('; ');
}
