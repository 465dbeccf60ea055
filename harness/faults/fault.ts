import type { PartLabel } from '../record/history.ts';

/**
 * A fault that is on. It owns what it broke: disposing heals. Its life is recorded as `fault` records:
 * requested → effective (with the witness) → healing → healed.
 */
export interface Fault extends AsyncDisposable {
  readonly id: string;
  readonly kind: string;
  readonly target: PartLabel;
  /** Milliseconds since the run started. */
  readonly requestedAt: number;
  readonly effectiveAt: number;
  /** What proved from outside that it took effect. */
  readonly witness: string;
  /** Undoes the fault and waits until that, too, is witnessed; gives the time at which it was. Safe to call twice. */
  heal(): Promise<number>;
}
