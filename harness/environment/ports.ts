import { UsageError } from '../core/errors.ts';
import { isPortFree, type PortBlock } from '../net/ports.ts';
import type { PartName } from '../record/history.ts';

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
