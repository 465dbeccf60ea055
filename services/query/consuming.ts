import { createHash, randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { within } from '../common/backoff.ts';
import type { Log } from '../common/log.ts';
import type { Pool } from '../common/postgres.ts';
import {
  closeRedis,
  createRedisClient,
  createRedisProbe,
  type RedisClient,
  type RedisServer,
} from '../common/redis.ts';
import { DEAD_LETTER_STREAM_SUFFIX } from '../contract/names.ts';
import { BatchApplier } from './batch.ts';
import { ReaderConnection } from './connection.ts';
import { type ConsumerSettings, StreamConsumer } from './consumer.ts';
import { DeadLetterBox } from './dead-letters.ts';
import type { ConsumerMetrics, GroupBacklog, ReconcileReason } from './metrics.ts';
import type { SequenceLog } from './sequence-log.ts';
import { CONSUMER_NAME_PREFIX, EventStream, foldReply, REMOVE_CONSUMER_SCRIPT, type StreamNames } from './stream.ts';

export interface ConsumingOptions {
  redis: RedisServer;
  stream: string;
  group: string;
  consumer: string;
  settings: ConsumerSettings;
  pool: Pool;
  sequences: SequenceLog;
  onLoss: (reason: ReconcileReason) => void;
  metrics: ConsumerMetrics;
  log: Log;
  /** Ends the reading; the batch in hand is finished and acknowledged. */
  signal: AbortSignal;
}

/** A reader gives up a connection that is silent for the blocking time plus this. */
const SOCKET_GRACE_MS = 500;
const SIDE_TIMEOUT_MS = 1000;
const ASK_MS = 500;
const FINISH_MS = 1700;

/**
 * The name under which an instance reads. The same for the same instance after a restart, so that it goes on with what
 * it held at once instead of waiting until that may be taken over; a process on a port chosen by the system gets a new
 * one. Two processes with the same name do no harm: applying twice changes nothing.
 */
export function consumerName(address: { host: string; port: number }): string {
  const identity = address.port === 0 ? randomBytes(16) : `${hostname()}/${address.host}/${address.port}`;
  const bytes = createHash('sha256').update(identity).digest().subarray(0, 16);
  // RFC 9562, section 5.8: version 8 is for uuids made in a way of one's own.
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  const uuid = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
  return CONSUMER_NAME_PREFIX + uuid;
}

/**
 * Everything about Redis in this service: the consumer on a connection of its own, and a second one that never blocks,
 * for queries and for ending a blocking read. `start` may come later (after the migrations); health is known before.
 */
export class Consuming implements AsyncDisposable {
  readonly #options: ConsumingOptions;
  readonly #names: StreamNames;
  readonly #side: RedisClient;
  readonly #ping: () => Promise<boolean>;
  /** What could not be applied. */
  readonly deadLetters: DeadLetterBox;
  #connection: ReaderConnection | undefined;
  #consumer: StreamConsumer | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(options: ConsumingOptions) {
    this.#options = options;
    const { redis, stream, group, consumer, log, signal } = options;
    this.#names = { stream, group, consumer, deadLetter: stream + DEAD_LETTER_STREAM_SUFFIX };
    this.#side = createRedisClient({ ...redis, log, name: `${consumer}:side`, socketTimeoutMs: SIDE_TIMEOUT_MS });
    this.#ping = createRedisProbe(this.#side, ASK_MS);
    this.deadLetters = new DeadLetterBox(this.#side, this.#names);
    signal.addEventListener('abort', () => void this.#unblock(), { once: true });
  }

  start(): void {
    if (this.#consumer !== undefined || this.#options.signal.aborted) return;
    const { redis, settings, pool, sequences, onLoss, metrics, log, signal } = this.#options;
    const socketTimeoutMs = settings.blockMs + SOCKET_GRACE_MS;
    const connection = new ReaderConnection({ ...redis, log, name: this.#names.consumer, socketTimeoutMs });
    const stream = new EventStream(connection, this.#names);
    const onApplied = (numbers: readonly bigint[]): void => sequences.note(numbers);
    const batches = new BatchApplier({ pool, log, metrics, onApplied, signal });
    this.#connection = connection;
    this.#consumer = new StreamConsumer({
      connection,
      stream,
      batches,
      metrics,
      settings,
      onLoss,
      log,
      signal,
      onDeadLetter: (sequence) => sequences.note([sequence]),
    });
    this.#running = this.#consumer.run();
  }

  /** Whether Redis answers now, and the consumer's reads have been answered lately. Takes at most half a second. */
  async isHealthy(): Promise<boolean> {
    return this.#consumer?.isReading() === true && (await this.#ping());
  }

  /** The group's backlog; undefined when Redis does not know it. Takes at most half a second. */
  async backlog(): Promise<GroupBacklog | undefined> {
    if (this.#side.status !== 'ready') return undefined;
    try {
      const groups = await within(ASK_MS, 'XINFO GROUPS', this.#side.call('XINFO', 'GROUPS', this.#names.stream));
      const group = (groups as unknown[]).map(foldReply).find(({ name }) => name === this.#names.group);
      if (group === undefined) return undefined;
      return { pending: Number(group.pending), lag: typeof group.lag === 'number' ? group.lag : null };
    } catch (error) {
      this.#options.log.debug({ err: error }, 'the backlog is unknown');
      return undefined;
    }
  }

  /** Waits for the batch in hand, then removes this consumer's name from the group if it holds nothing. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { log } = this.#options;
    try {
      await within(FINISH_MS, 'finishing the batch in hand', this.#running);
      if (this.#consumer !== undefined && this.#side.status === 'ready') {
        const { stream, group, consumer } = this.#names;
        await within(ASK_MS, 'leaving the group', this.#side.eval(REMOVE_CONSUMER_SCRIPT, 1, stream, group, consumer));
      }
    } catch (error) {
      log.info({ err: error }, 'stopped without removing the name from the group');
    } finally {
      this.#connection?.close();
      closeRedis(this.#side);
    }
  }

  /** Ends a blocking read now. An entry delivered at this moment stays pending and is drained later. */
  async #unblock(): Promise<void> {
    if (this.#consumer?.isBlocking !== true) return;
    try {
      const { clientId: id } = this.#consumer;
      if (id === undefined) throw new Error('the id of the connection is unknown');
      await within(ASK_MS, 'CLIENT UNBLOCK', this.#side.call('CLIENT', 'UNBLOCK', id));
    } catch (error) {
      this.#options.log.debug({ err: error }, 'cutting the blocking read short');
      this.#connection?.close();
    }
  }
}
