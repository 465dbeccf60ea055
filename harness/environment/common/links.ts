import { SERVER_NAMES, type ServerName, type ServiceName } from '../../../services/contract/names.ts';
import { UsageError } from '../../core/errors.ts';
import { isPortFree, type PortBlock } from '../../net/ports.ts';
import { startFaultProxy } from '../../net/proxy.ts';
import type { PartName } from '../../record/history.ts';
import type { Link, ServerAddress } from './environment.ts';

const CLIENTS = ['admin', 'query'] as const satisfies readonly ServiceName[];

/**
 * Starts one proxy per wire: admin→redis, query→redis, admin→postgres, query→postgres. `resources` owns them.
 * @param host where the services reach the proxies
 */
export async function startLinks(
  resources: AsyncDisposableStack,
  ports: PortBlock,
  servers: Readonly<Record<ServerName, ServerAddress>>,
  host = '127.0.0.1',
): Promise<readonly Link[]> {
  const links: Link[] = [];
  for (const server of SERVER_NAMES) {
    for (const client of CLIENTS) {
      const proxy = resources.use(await startFaultProxy({ host, port: ports.next(), upstream: servers[server] }));
      links.push({ client, server, proxy });
    }
  }
  return links;
}

/** The address at which `client` reaches `server`. */
export function linkAddress(links: readonly Link[], client: ServiceName, server: ServerName): string {
  const proxy = links.find((link) => link.client === client && link.server === server)?.proxy;
  if (proxy === undefined) throw new RangeError(`${client} has no link to ${server}`);
  return `${proxy.host}:${proxy.port}`;
}

/**
 * A port per part: the given one, else the next of the block.
 * @throws UsageError when something listens on a given one
 */
export async function choosePorts(
  given: Partial<Record<PartName, number>>,
  block: PortBlock,
  host: string,
): Promise<Record<PartName, number>> {
  const choose = async (name: PartName): Promise<number> => {
    const port = given[name];
    if (port === undefined) return block.next();
    if (await isPortFree(port, host)) return port;
    throw new UsageError(`Expected the port of ${name} to be free, got ${port}, on which something listens`);
  };
  return {
    redis: await choose('redis'),
    postgres: await choose('postgres'),
    admin: await choose('admin'),
    storage: await choose('storage'),
    ingester: await choose('ingester'),
    query: await choose('query'),
  };
}
