import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';

const STREAM = 'file-events';
const STREAM_ENTRIES_MAX = 10_000;
const RETRY_MS = 250;
const DRAIN_MS = 3000;

/**
 * Sends events after the commit, one after the other, from a queue in memory: Redis may be away for as long as this
 * process lives. What it holds dies with it, for nothing but the process knows what is not yet sent.
 */
export class Publisher {
  readonly #redis: Redis;
  readonly #queue: Record<string, string>[] = [];
  #sending = false;
  published = 0;
  failed = 0;

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  publish(event: Record<string, string>): void {
    this.#queue.push(event);
    if (!this.#sending) void this.#send();
  }

  /** Waits a little for what is not sent. */
  async drain(): Promise<void> {
    const untilMs = Date.now() + DRAIN_MS;
    while (this.waiting > 0 && Date.now() < untilMs) await sleep(50);
  }

  async #send(): Promise<void> {
    this.#sending = true;
    for (let event = this.#queue[0]; event !== undefined; event = this.#queue[0]) {
      try {
        const fields = Object.entries(event).flat();
        await this.#redis.xadd(STREAM, 'MAXLEN', '~', STREAM_ENTRIES_MAX, '*', ...fields);
        this.#queue.shift();
        this.published++;
      } catch (error) {
        if (this.failed++ % 100 === 0) console.error(`not published, tried again: ${error}`);
        await sleep(RETRY_MS);
      }
    }
    this.#sending = false;
  }
}
