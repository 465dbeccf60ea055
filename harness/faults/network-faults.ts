import type { ServerName, ServiceName } from '../contract/names.ts';
import { SyncproofError } from '../core/errors.ts';
import type { Environment, Link } from '../environment/environment.ts';
import type { FaultPlan } from './lifecycle.ts';
import { witnessPasses, witnessRefused, witnessSilent } from './witness.ts';

export interface WireChoice {
  /** Absent: every client of the server. */
  client?: ServiceName;
  server: ServerName;
}

/** Open connections are reset and new ones refused, while the server itself lives on. */
export function refusePlan(environment: Environment, choice: WireChoice): FaultPlan {
  return wirePlan(environment, choice, 'refuse', ({ proxy }) => witnessRefused(proxy));
}

/** Nothing passes, nothing is closed: what a lost route looks like from both ends. */
export function blackholePlan(environment: Environment, choice: WireChoice): FaultPlan {
  return wirePlan(environment, choice, 'blackhole', async ({ proxy, server }) => {
    const before = proxy.counters().bytesSwallowed;
    const silence = await witnessSilent(server, proxy);
    const swallowed = proxy.counters().bytesSwallowed - before;
    if (swallowed === 0) throw new SyncproofError(`the proxy on ${proxy.host}:${proxy.port} swallowed nothing`);
    return `${silence}, ${swallowed} bytes swallowed`;
  });
}

function wirePlan(
  environment: Environment,
  { client, server }: WireChoice,
  mode: 'refuse' | 'blackhole',
  witness: (link: Link) => Promise<string>,
): FaultPlan {
  const links = environment.links.filter((link) => link.server === server && (client ?? link.client) === link.client);
  const each = async (probe: (link: Link) => Promise<string>): Promise<string> =>
    (await Promise.all(links.map(async (link) => `${link.client}→${link.server} ${await probe(link)}`))).join('; ');
  return {
    kind: mode === 'refuse' ? `${server}-refused` : `${server}-blackholed`,
    target: server,
    async check() {
      if (links.length === 0) throw new SyncproofError(`${client ?? 'Nobody'} has no link to ${server}`);
      const taken = links.find(({ proxy }) => proxy.mode !== 'pass');
      if (taken) throw new SyncproofError(`${taken.client}→${taken.server} is already in mode ${taken.proxy.mode}`);
    },
    async apply() {
      await Promise.all(links.map(({ proxy }) => proxy.setMode(mode)));
    },
    witness: () => each(witness),
    async undo() {
      await Promise.all(links.map(({ proxy }) => proxy.setMode('pass')));
    },
    witnessHealed: () => each((link) => witnessPasses(environment, link.server, link.proxy)),
  };
}
