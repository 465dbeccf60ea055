import { backoffMs, pause } from '../common/backoff.ts';
import type { Log } from '../common/log.ts';
import { closePool, type Pool } from '../common/postgres.ts';
import { comparingAlone } from './comparing.ts';
import type { ReconcileMetrics } from './metrics.ts';
import { type Reconciled, reconcile } from './reconcile.ts';
import type { ReconcileReason } from './reconcile-reasons.ts';
import { NotOfferedError, type RegistryClient } from './registry-client.ts';
import type { SequenceLog, SequenceRange } from './sequence-log.ts';

export interface ReconcilerOptions {
  /**
   * Opens three connections for one comparison: those that lie idle until the next one, minutes later, may have fallen
   * silent.
   */
  connect: () => Pool;
  /** Undefined without an account at admin: gaps are noticed and told, not mended. */
  registry: RegistryClient | undefined;
  sequences: SequenceLog;
  metrics: ReconcileMetrics;
  log: Log;
  intervalMs: number;
  signal: AbortSignal;
}

const LOOK_EVERY_MS = 500;
/** Numbers that are missing for longer are taken for lost: until then they may be on their way, or with another instance. */
const GAP_PATIENCE_MS = 2000;
const RETRY = { ms: 500, msMax: 10_000 };
/** Whoever is left with a statement that nobody answers gives it up later. */
const CLOSE_MS = 300;

/**
 * Notices lost events and mends what they left undone, by comparing the read model with the registry.
 *
 * waiting: notes sequence numbers and looks for gaps, twice a second → comparing, when a reason is due and no other
 *   instance compares → waiting; after a failure the reasons stay due, and the next attempt is later.
 */
export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #due = new Set<ReconcileReason>();
  /** Gap → since when it is known. */
  readonly #gapsSince = new Map<string, number>();
  #intervalDueAt: number;
  #failures = 0;
  #notBefore = 0;
  #wake = new AbortController();

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    this.#intervalDueAt = performance.now() + jittered(options.intervalMs);
  }

  /** Something was lost, or may have been: compare soon. */
  request(reason: ReconcileReason): void {
    this.#due.add(reason);
    this.#wake.abort();
  }

  /** Runs until the signal aborts. Does not throw. */
  async run(): Promise<void> {
    const { signal, log } = this.#options;
    while (!signal.aborted) {
      try {
        await this.#look();
      } catch (error) {
        if (signal.aborted) return;
        this.#failures++;
        const pauseMs = backoffMs(this.#failures, RETRY);
        this.#notBefore = performance.now() + pauseMs;
        log.warn(
          { err: error, pauseMs: Math.round(pauseMs) },
          'the read model cannot be compared with the registry now',
        );
      }
      this.#wake = new AbortController();
      await pause(LOOK_EVERY_MS, AbortSignal.any([signal, this.#wake.signal]));
    }
  }

  async #look(): Promise<void> {
    const { sequences, metrics, registry } = this.#options;
    const gaps = await sequences.gaps();
    metrics.missing.set(gaps.reduce((sum, { from, to }) => sum + Number(to - from + 1n), 0));
    if (this.#areLost(gaps)) this.#due.add('gap');
    if (performance.now() >= this.#intervalDueAt) this.#due.add('interval');
    if (registry === undefined || this.#due.size === 0 || performance.now() < this.#notBefore) return;
    await this.#compare(registry, gaps);
  }

  #areLost(gaps: readonly SequenceRange[]): boolean {
    const now = performance.now();
    const names = new Set(gaps.map(({ from, to }) => `${from}-${to}`));
    for (const name of this.#gapsSince.keys()) if (!names.has(name)) this.#gapsSince.delete(name);
    for (const name of names) if (!this.#gapsSince.has(name)) this.#gapsSince.set(name, now);
    return [...this.#gapsSince.values()].some((since) => now - since >= GAP_PATIENCE_MS);
  }

  /** When another instance compares, this one looks again in a moment. */
  async #compare(registry: RegistryClient, gaps: readonly SequenceRange[]): Promise<void> {
    const { connect, signal, log, intervalMs } = this.#options;
    const pool = connect();
    try {
      await comparingAlone(pool, signal, (alone) => this.#mend(pool, registry, gaps, alone));
    } catch (error) {
      if (!(error instanceof NotOfferedError)) throw error;
      // For now: it may also be a proxy before a registry that is just being started.
      this.#notBefore = performance.now() + jittered(intervalMs);
      log.warn({ err: error }, 'the registry offers no comparison: lost events are told, not mended');
    } finally {
      await closePool(pool, CLOSE_MS);
    }
  }

  async #mend(
    pool: Pool,
    registry: RegistryClient,
    gaps: readonly SequenceRange[],
    signal: AbortSignal,
  ): Promise<void> {
    const { sequences, metrics, log, intervalMs } = this.#options;
    const reasons = [...this.#due];
    // What is lost from here on may be lost after it was looked at: it makes another comparison due.
    this.#due.clear();
    const startedAt = performance.now();
    let reconciled: Reconciled;
    try {
      reconciled = await reconcile(pool, registry, signal);
      signal.throwIfAborted();
      await sequences.fill(gaps);
      await pool.query('UPDATE sync_state SET reconciled_at = clock_timestamp()');
    } catch (error) {
      for (const reason of reasons) this.#due.add(reason);
      throw error;
    }
    const { differingBuckets, repaired, removed } = reconciled;
    for (const reason of reasons) metrics.reconciliations.inc({ reason });
    metrics.repaired.inc(repaired + removed);
    this.#failures = 0;
    this.#intervalDueAt = performance.now() + jittered(intervalMs);
    const ms = Math.round(performance.now() - startedAt);
    const level = repaired + removed > 0 ? 'warn' : 'info';
    log[level]({ reasons, differingBuckets, repaired, removed, ms }, 'compared with the registry');
  }
}

/** ±10 %, so that instances do not all ask at once. */
function jittered(ms: number): number {
  return ms * (0.9 + Math.random() * 0.2);
}
