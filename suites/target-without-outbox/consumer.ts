import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type pg from 'pg';
import { apply, type Fields, isPoison } from './read-model.ts';

const STREAM = 'file-events';
const GROUP = 'query-module-consumers';
const DEAD_LETTERS = `${STREAM}:dead-letter`;
const BATCH = 100;
const BLOCK_MS = 1000;
const RETRY_MS = 250;
const CLAIM_EVERY_MS = 2000;

type Entry = [id: string, fields: string[] | null];

/**
 * Reads the stream as one consumer of the group and applies its events one by one; each is acknowledged after its commit.
 * After whatever error it begins again with what it was given and has not acknowledged.
 */
export class Consumer {
  readonly #options: { redis: Redis; pool: pg.Pool; name: string; retryMs: number };
  #claimedAt = 0;
  #stopped = false;
  /** Redis answered last time. */
  connected = false;
  processed = 0;
  deadLettered = 0;

  constructor(options: { redis: Redis; pool: pg.Pool; name: string; retryMs: number }) {
    this.#options = options;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Takes its name off the group, unless it holds something: what it holds would be lost with it. */
  async leave(): Promise<void> {
    const { redis, name } = this.#options;
    const held = await redis.xpending(STREAM, GROUP, '-', '+', 1, name);
    if (held.length === 0) await redis.xgroup('DELCONSUMER', STREAM, GROUP, name);
  }

  async run(): Promise<void> {
    const { redis } = this.#options;
    while (!this.#stopped) {
      try {
        await redis.xgroup('CREATE', STREAM, GROUP, '0', 'MKSTREAM').catch((error: Error) => {
          if (!error.message.startsWith('BUSYGROUP')) throw error;
        });
        // First what it was given before the last error, or by an earlier life under the same name.
        for (let from = '0'; from !== '' && !this.#stopped; ) {
          const entries = await this.#read(from);
          await this.#handle(entries);
          from = entries.at(-1)?.[0] ?? '';
        }
        while (!this.#stopped) {
          await this.#handle(await this.#read('>'));
          if (Date.now() - this.#claimedAt > CLAIM_EVERY_MS) await this.#claimAbandoned();
        }
      } catch (error) {
        if (this.connected) console.error(`consumer: ${error}`);
        this.connected = false;
        await sleep(RETRY_MS);
      }
    }
  }

  async #read(from: string): Promise<Entry[]> {
    const { redis, name } = this.#options;
    const answer = await redis.xreadgroup(
      ...(['GROUP', GROUP, name, 'COUNT', BATCH, 'BLOCK', BLOCK_MS, 'STREAMS', STREAM, from] as const),
    );
    this.connected = true;
    const [[, entries] = []] = (answer ?? []) as [string, Entry[]][];
    return entries ?? [];
  }

  async #claimAbandoned(): Promise<void> {
    const { redis, name, retryMs } = this.#options;
    for (let cursor = '0-0'; ; ) {
      const answer = await redis.xautoclaim(STREAM, GROUP, name, retryMs, cursor, 'COUNT', BATCH);
      const [next, entries] = answer as [string, Entry[]];
      await this.#handle(entries);
      if (next === '0-0') break;
      cursor = next;
    }
    this.#claimedAt = Date.now();
  }

  async #handle(entries: readonly Entry[]): Promise<void> {
    for (const [id, flat] of entries) {
      // Without fields it was trimmed away meanwhile: there is nothing left to apply.
      if (flat !== null) await this.#apply(id, fieldsOf(flat));
      await this.#options.redis.xack(STREAM, GROUP, id);
    }
  }

  async #apply(id: string, fields: Fields): Promise<void> {
    try {
      await apply(this.#options.pool, fields);
      this.processed++;
    } catch (error) {
      if (!isPoison(error)) throw error;
      console.error(`dead letter ${id}: ${error}`);
      const letter = Object.entries({ ...fields, original_id: id, error: String(error) }).flat();
      await this.#options.redis.xadd(DEAD_LETTERS, 'MAXLEN', '~', 10_000, '*', ...letter);
      this.deadLettered++;
    }
  }
}

function fieldsOf(flat: readonly string[]): Fields {
  const fields: Record<string, string> = {};
  for (let i = 0; i + 1 < flat.length; i += 2) fields[flat[i] ?? ''] = flat[i + 1] ?? '';
  return fields;
}

/** What the group was given and has not acknowledged, and what it was not given yet; NaN where Redis does not say. */
export async function backlogOf(redis: Redis): Promise<{ pending: number; lag: number }> {
  const groups = (await redis.xinfo('GROUPS', STREAM).catch(() => [])) as string[][];
  const group = groups.map(fieldsOf).find(({ name }) => name === GROUP);
  return { pending: Number(group?.pending ?? Number.NaN), lag: Number(group?.lag ?? Number.NaN) };
}
