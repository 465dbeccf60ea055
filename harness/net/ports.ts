import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { UnreachableError } from '../core/errors.ts';

const LOWEST_PORT = 20_000;
/** A block is one guard port and the ports that follow it. */
const BLOCK_SIZE = 16;

/** Ports that no other process takes while the block is held, not even between two binds of their owner. */
export interface PortBlock extends AsyncDisposable {
  /** The next unused port of the block; throws when none is left. */
  next(): number;
  /** Takes a port back that nothing listens on any more. */
  release(port: number): void;
}

/** Where the kernel begins to hand out ports by itself (Linux: net.ipv4.ip_local_port_range, elsewhere the IANA range). */
function ephemeralStart(): number {
  try {
    const low = Number(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split(/\s+/)[0]);
    return low > LOWEST_PORT + 4096 ? low : 65_536;
  } catch {
    // No /proc: not Linux.
    return 49_152;
  }
}

function listen(host: string, port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', () => resolve(undefined));
    server.listen({ host, port, exclusive: true }, () => resolve(server));
  });
}

const close = (server: Server): Promise<void> => new Promise((resolve) => server.close(() => resolve()));

/** Whether a listener could be opened there right now. */
export async function isPortFree(port: number, host = '127.0.0.1'): Promise<boolean> {
  const server = await listen(host, port);
  if (server === undefined) return false;
  await close(server);
  return true;
}

/**
 * Claims a block of ports below the kernel's ephemeral range, so that no outgoing connection takes a port while its
 * server is down. The claim is a listening socket on the block's first port: it is exclusive between processes and
 * vanishes with its process.
 * @throws UnreachableError when every block is taken
 */
export async function claimPorts(host = '127.0.0.1'): Promise<PortBlock> {
  const blocks = Math.floor((ephemeralStart() - LOWEST_PORT) / BLOCK_SIZE);
  const first = Math.floor(Math.random() * blocks);
  for (let attempt = 0; attempt < blocks; attempt++) {
    const base = LOWEST_PORT + ((first + attempt) % blocks) * BLOCK_SIZE;
    const guard = await listen(host, base);
    if (guard === undefined) continue;
    const ports = Array.from({ length: BLOCK_SIZE - 1 }, (_, index) => base + 1 + index);
    // A block whose owner died may still have servers on it for a moment, and strangers listen where they like.
    const free = await Promise.all(ports.map((port) => isPortFree(port, host)));
    if (!free.every(Boolean)) {
      await close(guard);
      continue;
    }
    guard.unref();
    return {
      next() {
        const port = ports.shift();
        if (port === undefined) throw new RangeError(`A block has only ${BLOCK_SIZE - 1} ports`);
        return port;
      },
      // To the end: the longer it rests, the better.
      release: (port) => void ports.push(port),
      [Symbol.asyncDispose]: () => close(guard),
    };
  }
  throw new UnreachableError(`No ${BLOCK_SIZE} neighbouring free ports on ${host} from ${LOWEST_PORT} up`);
}
