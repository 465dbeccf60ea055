import type { PartLabel } from '../record/history.ts';

/** How a part ended that was asked to. */
export interface Ending {
  /** Null where nobody tells, and where it had to be killed. */
  exitCode: number | null;
  /** From the request to its end; until it was killed where it did not end by itself. */
  ms: number;
  /** False: it did not end by itself in `ORDERLY_END_MS`, and was killed. */
  inTime: boolean;
}

/** How long a part may take to end in order. */
export const ORDERLY_END_MS = 10_000;

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
