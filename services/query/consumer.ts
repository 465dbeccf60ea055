import { backoffMs, pause } from '../common/backoff.ts';
import { type Log, troubleLog } from '../common/log.ts';
import type { BatchApplier } from './batch.ts';
import type { ReaderConnection } from './connection.ts';
import { type StreamEntry, sequenceOf } from './events.ts';
import type { ConsumerMetrics, ReconcileReason } from './metrics.ts';
import { type DeadLetter, type EventStream, isReply, removeDeadConsumers } from './stream.ts';

export interface ConsumerSettings {
  batchSize: number;
  blockMs: number;
  /** Entries that were held for longer are taken over, in ms. */
  pendingRetryMs: number;
}

export interface ConsumerDependencies {
  connection: ReaderConnection;
  stream: EventStream;
  batches: BatchApplier;
  metrics: ConsumerMetrics;
  settings: ConsumerSettings;
  /** Events were lost, or may have been. */
  onLoss: (reason: ReconcileReason) => void;
  /** Receives the number of an event that was moved to the dead-letter stream. */
  onDeadLetter: (sequence: bigint) => void;
  log: Log;
  signal: AbortSignal;
}

/** How often deferred entries are tried again. */
const DEFERRED_RETRY_MS = 1000;
const TAKE_OVER_EVERY_MS_MAX = 1000;
const REAP_EVERY_MS = 10_000;
/**
 * Empty reads do not show as activity of a consumer (Redis 7.0), so idle time alone does not prove that a consumer is
 * dead.
 */
const REAP_IDLE_MS_MIN = 30_000;
const ERROR_PAUSE = { ms: 50, msMax: 1000 };

/**
 * Reads the stream as a member of the consumer group and applies what it reads.
 *
 * Each turn: wait for a connection → (after a new connection or any error) make the group and drain what this consumer
 * already holds → (periodically) take over entries that others have held for too long → read new entries → apply and
 * commit → acknowledge. An error at any point ends the turn, never the loop; what was not acknowledged is drained in a
 * later turn.
 */
export class StreamConsumer {
  readonly #needs: ConsumerDependencies;
  readonly #trouble: ReturnType<typeof troubleLog>;
  /** Epoch of the connection on which the group was made and the own pending entries were drained. */
  #preparedEpoch = -1;
  #claimDueAt = 0;
  #reapDueAt = 0;
  #retryDueAt = Number.POSITIVE_INFINITY;
  #clientId: number | undefined;
  /** Of the server that was read from last. */
  #identity: string | undefined;
  #isBlocking = false;
  #isApplying = false;
  #answeredAt = Number.NEGATIVE_INFINITY;

  constructor(dependencies: ConsumerDependencies) {
    this.#needs = dependencies;
    this.#trouble = troubleLog(dependencies.log, 'reading the stream');
  }

  /** Runs until the signal aborts and the batch in hand is done. Does not throw. */
  async run(): Promise<void> {
    const { connection, signal } = this.#needs;
    for (let failures = 0; !signal.aborted; ) {
      try {
        await this.#turn();
        if (failures > 0) this.#trouble.end();
        failures = 0;
      } catch (error) {
        this.#preparedEpoch = -1;
        if (signal.aborted) return;
        failures++;
        // The stream or the group was removed meanwhile: not an outage of Redis, and repaired by the next turn.
        if (failures === 1 && isReply(error, 'NOGROUP', 'UNBLOCKED')) continue;
        this.#answeredAt = Number.NEGATIVE_INFINITY;
        this.#trouble.begin(error);
        if (isReply(error, 'READONLY')) connection.reconnect('the server became a replica');
        await pause(backoffMs(failures, ERROR_PAUSE), signal);
      }
    }
  }

  /**
   * True while Redis answers the reads. While a batch is applied none is due, so the connection has to do as a sign.
   */
  isReading(): boolean {
    if (this.#isApplying) return this.#needs.connection.isReady;
    return performance.now() - this.#answeredAt < this.#needs.settings.blockMs + 1000;
  }

  /** A blocking read is under way. */
  get isBlocking(): boolean {
    return this.#isBlocking;
  }

  /** The connection's id for CLIENT UNBLOCK, where Redis tells it. */
  get clientId(): number | undefined {
    return this.#clientId;
  }

  async #turn(): Promise<void> {
    const { connection, settings, signal } = this.#needs;
    await connection.ready(signal);
    if (signal.aborted) return;
    if (connection.epoch !== this.#preparedEpoch) await this.#prepare();
    if (performance.now() >= this.#retryDueAt) await this.#drainOwn();
    if (performance.now() >= this.#claimDueAt) await this.#takeOver();
    if (signal.aborted) return;
    await this.#process(await this.#readNew(settings));
  }

  async #readNew({ batchSize, blockMs }: ConsumerSettings): Promise<StreamEntry[]> {
    this.#isBlocking = true;
    try {
      return await this.#needs.stream.readNew(batchSize, blockMs);
    } finally {
      this.#isBlocking = false;
    }
  }

  async #prepare(): Promise<void> {
    const { connection, stream, metrics, onLoss } = this.#needs;
    const epoch = connection.epoch;
    if (await stream.ensureGroup()) onLoss('group-made');
    const identity = await stream.identity();
    if (this.#identity !== undefined && identity !== this.#identity) onLoss('redis-changed');
    this.#identity = identity;
    this.#clientId = await stream.clientId();
    await this.#drainOwn();
    metrics.connections.inc();
    this.#preparedEpoch = epoch;
  }

  /** Applies entries delivered earlier: before a lost connection or a restart, or deferred for a lock. */
  async #drainOwn(): Promise<void> {
    const { stream, settings, signal } = this.#needs;
    this.#retryDueAt = Number.POSITIVE_INFINITY;
    for (let after = '0'; !signal.aborted; ) {
      const entries = await stream.readOwnPending(settings.batchSize, after);
      await this.#process(entries, 'again');
      const last = entries.at(-1);
      if (last === undefined) return;
      after = last.id;
    }
  }

  /** Takes over entries that any consumer, this one included, has held for too long, then removes dead consumers. */
  async #takeOver(): Promise<void> {
    const { stream, settings, metrics, log, signal, onLoss } = this.#needs;
    this.#claimDueAt = performance.now() + Math.min(settings.pendingRetryMs / 4, TAKE_OVER_EVERY_MS_MAX);
    for (let cursor = '0-0'; !signal.aborted; ) {
      const page = await stream.claimIdle(settings.pendingRetryMs, cursor, settings.batchSize);
      // Redis 7 has taken them off the pending list itself; acknowledging them is harmless and covers other servers,
      // too.
      await stream.acknowledge(page.deletedIds);
      if (page.deletedIds.length > 0) onLoss('entries-trimmed');
      if (page.entries.length > 0) {
        metrics.claimed.inc(page.entries.length);
        log.info({ count: page.entries.length }, 'took over entries that were held for too long');
      }
      await this.#process(page.entries);
      cursor = page.cursor;
      if (cursor === '0-0') break;
    }
    if (performance.now() < this.#reapDueAt) return;
    this.#reapDueAt = performance.now() + REAP_EVERY_MS;
    await removeDeadConsumers(stream, Math.max(REAP_IDLE_MS_MIN, settings.pendingRetryMs), log);
  }

  /** Applies entries and acknowledges, once, those whose effect is committed. */
  async #process(entries: readonly StreamEntry[], tried: 'first-try' | 'again' = 'first-try'): Promise<void> {
    this.#answeredAt = performance.now();
    if (entries.length === 0) return;
    this.#isApplying = true;
    try {
      const { done, dead, deferred, gone } = await this.#needs.batches.apply(entries, tried);
      await this.#needs.stream.acknowledge(done);
      if (gone > 0) this.#needs.onLoss('entries-trimmed');
      let kept = deferred;
      for (const letter of dead) if (!(await this.#bury(letter))) kept++;
      if (kept > 0) this.#retryDueAt = performance.now() + DEFERRED_RETRY_MS;
      this.#answeredAt = performance.now();
    } finally {
      this.#isApplying = false;
    }
  }

  /** False when Redis refuses the dead letter (out of memory, say): the entry stays pending and blocks no others. */
  async #bury(letter: DeadLetter): Promise<boolean> {
    const { stream, metrics, log, onDeadLetter } = this.#needs;
    const facts = { entryId: letter.entry.id, attempts: letter.attempts, reason: letter.error };
    try {
      await stream.deadLetter(letter);
    } catch (error) {
      if (!(error instanceof Error && error.name === 'ReplyError')) throw error;
      log.error({ ...facts, err: error }, 'an event cannot be applied, nor can Redis take it as a dead letter');
      return false;
    }
    metrics.deadLettered.inc();
    const sequence = sequenceOf(letter.entry.fields ?? []);
    if (sequence !== undefined) onDeadLetter(sequence);
    log.error(facts, 'an event cannot be applied: moved to the dead-letter stream');
    return true;
  }
}
