import { backoffMs, pause } from '../common/backoff.ts';
import { type Log, troubleLog } from '../common/log.ts';
import type { Pool } from '../common/postgres.ts';
import { applyChanges } from './apply.ts';
import { type Change, failureKind, parseEvent, type StreamEntry } from './events.ts';
import type { ConsumerMetrics } from './metrics.ts';
import type { DeadLetter } from './stream.ts';

export interface BatchOutcome {
  /** Ids of the entries whose effect is committed, or that were trimmed: acknowledge them. */
  done: string[];
  /** Entries that can never be applied. */
  dead: DeadLetter[];
  /** How many are deferred: they stay pending because another session holds a lock on the row. */
  deferred: number;
  /** How many are gone from the stream: trimmed while they were pending. */
  gone: number;
}

export interface BatchDependencies {
  pool: Pool;
  log: Log;
  metrics: ConsumerMetrics;
  /** Receives the numbers of the events whose effect is committed. */
  onApplied: (sequences: readonly bigint[]) => void;
  /** Ends the wait for an unavailable database. */
  signal: AbortSignal;
}

interface Item {
  entry: StreamEntry;
  change: Change;
}

/** Tries in which an event was refused, those of batches that it was part of included. */
const DATA_ATTEMPTS_MAX = 3;
const LOCK_TIMEOUT_MS = 500;
/**
 * Where a lock is expected (parts of a batch that met one, second tries) the wait is short: other files must not wait,
 * too.
 */
const LOCK_TIMEOUT_AGAIN_MS = 100;
/** After this many single files behind locks the rest is deferred untried: the whole table may be locked. */
const CONTENDED_MAX = 8;

/**
 * Applies entries of the stream. A batch that the database refuses is halved until the culprits stand alone; so one bad
 * event costs a few statements, not the ones behind it. During an outage of the database everything waits, without a
 * limit.
 */
export class BatchApplier {
  readonly #dependencies: BatchDependencies;
  readonly #trouble: ReturnType<typeof troubleLog>;

  constructor(dependencies: BatchDependencies) {
    this.#dependencies = dependencies;
    this.#trouble = troubleLog(dependencies.log, 'applying events');
  }

  /** Never throws for what an event contains. When the signal aborts, what is not applied yet just stays pending. */
  async apply(entries: readonly StreamEntry[], tried: 'first-try' | 'again' = 'first-try'): Promise<BatchOutcome> {
    const outcome: BatchOutcome = { done: [], dead: [], deferred: 0, gone: 0 };
    const items: Item[] = [];
    for (const entry of entries) {
      if (entry.fields === null) {
        outcome.done.push(entry.id);
        outcome.gone++;
        continue;
      }
      const parsed = parseEvent(entry.fields);
      if ('change' in parsed) items.push({ entry, change: parsed.change });
      else outcome.dead.push({ entry, error: parsed.error, attempts: 1 });
    }
    const lockTimeoutMs = tried === 'again' ? LOCK_TIMEOUT_AGAIN_MS : LOCK_TIMEOUT_MS;
    if (items.length > 0) await this.#settle(items, outcome, lockTimeoutMs, { contended: 0 }, 0);
    return outcome;
  }

  async #settle(
    items: readonly Item[],
    outcome: BatchOutcome,
    lockTimeoutMs: number,
    shared: { contended: number },
    refusedBefore: number,
  ): Promise<void> {
    for (let outages = 0, refusals = refusedBefore; ; ) {
      if (this.#dependencies.signal.aborted) return;
      if (shared.contended >= CONTENDED_MAX) {
        outcome.deferred += items.length;
        return;
      }
      try {
        await this.#applyOnce(items, lockTimeoutMs);
        for (const { entry } of items) outcome.done.push(entry.id);
        this.#trouble.end();
        return;
      } catch (error) {
        const kind = failureKind(error);
        this.#dependencies.metrics.failed.inc({ kind }, items.length);
        if (kind === 'data') refusals++;
        if (kind === 'outage') {
          this.#trouble.begin(error);
          outages++;
          await pause(backoffMs(outages, { ms: 50, msMax: 1000 }), this.#dependencies.signal);
        } else if (items.length > 1) {
          const middle = items.length >> 1;
          await this.#settle(items.slice(0, middle), outcome, LOCK_TIMEOUT_AGAIN_MS, shared, refusals);
          await this.#settle(items.slice(middle), outcome, LOCK_TIMEOUT_AGAIN_MS, shared, refusals);
          return;
        } else if (kind === 'contended') {
          shared.contended++;
          outcome.deferred++;
          return;
        } else {
          const [item] = items;
          if (item === undefined || refusals < DATA_ATTEMPTS_MAX) continue;
          outcome.dead.push({ entry: item.entry, error: describeRefusal(error), attempts: refusals });
          return;
        }
      }
    }
  }

  async #applyOnce(items: readonly Item[], lockTimeoutMs: number): Promise<void> {
    const { pool, metrics, onApplied } = this.#dependencies;
    const stopTimer = metrics.applySeconds.startTimer();
    const changes = items.map(({ change }) => change);
    const { upserted, deleted } = await applyChanges(pool, changes, { lockTimeoutMs });
    stopTimer();
    metrics.batchSize.observe(items.length);
    metrics.processed.inc(items.length);
    metrics.rowsWritten.inc(upserted + deleted);
    onApplied(changes.flatMap(({ sequence }) => (sequence === null ? [] : [sequence])));
  }
}

function describeRefusal(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code, constraint } = error as { code?: unknown; constraint?: unknown };
  const facts = [code, constraint].filter((fact) => typeof fact === 'string').join(', ');
  return facts === '' ? error.message : `${error.message} (${facts})`;
}
