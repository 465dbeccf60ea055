import { TimeoutError, within } from '../common/backoff.ts';
import type { Log } from '../common/log.ts';
import { closeRedis, createRedisClient, type RedisClient, type RedisServer } from '../common/redis.ts';

export interface ReaderConnectionOptions extends RedisServer {
  log: Log;
  /** Shown by CLIENT LIST; the consumer's own name, so that others can see it is alive. */
  name: string;
  socketTimeoutMs: number;
}

/**
 * The blocking reader's own connection. ioredis reconnects by itself; where it does not notice a hang, the watchdog
 * puts a new client in the old one's place. (`disconnect(true)` would wait for a suspended server.)
 *
 * `epoch` grows with every `ready`: what an earlier epoch had read but not acknowledged must be read again.
 */
export class ReaderConnection {
  readonly #options: ReaderConnectionOptions;
  #client: RedisClient;
  #epoch = 0;
  #closed = false;

  constructor(options: ReaderConnectionOptions) {
    this.#options = options;
    this.#client = this.#open();
  }

  get epoch(): number {
    return this.#epoch;
  }

  get isReady(): boolean {
    return this.#client.status === 'ready';
  }

  /**
   * Waits until the connection is ready, replacing a client that does not connect in time; returns when the signal
   * aborts.
   */
  async ready(signal: AbortSignal): Promise<void> {
    while (!this.isReady && !signal.aborted) {
      const patienceMs = this.#options.socketTimeoutMs + 3000;
      const client = this.#client;
      if (await becomesReady(client, patienceMs, signal)) return;
      if (!signal.aborted && client === this.#client) this.#replace('it did not become ready');
    }
  }

  /**
   * Sends one command. @throws what Redis answered, or when the connection broke, or TimeoutError: then the client was
   * replaced, and whether the command ran is unknown
   */
  async call(deadlineMs: number, command: string, ...args: (string | number)[]): Promise<unknown> {
    const client = this.#client;
    try {
      // In lower case: ioredis knows by that name which answers differ between RESP2 and RESP3, and evens them out.
      return await within(deadlineMs, command, client.call(command.toLowerCase(), ...args));
    } catch (error) {
      if (error instanceof TimeoutError && client === this.#client) this.#replace(error.message);
      throw error;
    }
  }

  /** For a server that answers READONLY: the name may lead to its new primary by now. */
  reconnect(why: string): void {
    this.#replace(why);
  }

  close(): void {
    this.#closed = true;
    closeRedis(this.#client);
  }

  #replace(why: string): void {
    if (this.#closed) return;
    this.#options.log.warn({ why }, 'replacing the Redis connection of the consumer');
    closeRedis(this.#client);
    this.#client = this.#open();
  }

  #open(): RedisClient {
    const client = createRedisClient(this.#options);
    client.on('ready', () => {
      this.#epoch++;
    });
    return client;
  }
}

function becomesReady(client: RedisClient, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const succeed = (): void => resolve(true);
  const giveUp = (): void => resolve(false);
  const timer = setTimeout(giveUp, timeoutMs);
  client.once('ready', succeed);
  signal.addEventListener('abort', giveUp, { once: true });
  return promise.finally(() => {
    clearTimeout(timer);
    client.removeListener('ready', succeed);
    signal.removeEventListener('abort', giveUp);
  });
}
