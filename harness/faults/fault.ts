import { randomBytes } from 'node:crypto';
import { describeError, InconclusiveError, NotNowError } from '../core/errors.ts';
import { pollUntil } from '../core/time.ts';
import type { PartLabel } from '../record/history.ts';
import type { Recorder } from '../record/writer.ts';

/** How a component ended that was asked to stop. */
export interface Ending {
  /** Null where it is unknown, and where it had to be killed. */
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

export interface FaultPlan {
  /** E.g. `redis-killed`. */
  kind: string;
  target: PartLabel;
  /** Throws when the fault is not applicable, e.g. on a component that is down; nothing is undone then. */
  check(): Promise<void>;
  apply(): Promise<void>;
  /** Gives the proof, seen from outside, that the fault has taken effect; throws as long as there is none. */
  witness(): Promise<string>;
  /** Undoes `apply`, also a half-done one. */
  undo(): Promise<void>;
  /** Gives the proof that the fault is over; throws as long as there is none. */
  witnessHealed(): Promise<string>;
  /** The fault ends by itself, as a restart does: it is healed as soon as that is seen. */
  momentary?: boolean;
}

export interface FaultLimits {
  /** How long a fault may take until it is seen. */
  witnessTimeoutMs: number;
  /** How long healing may take until it is seen. */
  healTimeoutMs: number;
}

export const DEFAULT_LIMITS: FaultLimits = { witnessTimeoutMs: 5000, healTimeoutMs: 30_000 };

/**
 * Breaks something and watches it break: requested → effective → healing → healed, each recorded. The time of an effect
 * is when the probe that saw it was sent.
 * @throws NotNowError when it is not applicable in this state;
 *   InconclusiveError when the effect was not seen in time; the fault is undone and recorded as `unwitnessed`
 */
export async function startFault(plan: FaultPlan, recorder: Recorder, limits: FaultLimits): Promise<Fault> {
  const { kind, target } = plan;
  const id = `${kind}-${randomBytes(3).toString('hex')}`;
  const record = (
    event: 'requested' | 'effective' | 'healing' | 'healed' | 'unwitnessed',
    at?: number,
    witness?: string,
  ) =>
    recorder.record({
      type: 'fault',
      fault: id,
      kind,
      target,
      event,
      at,
      witness,
    });
  const see = (
    what: string,
    probe: () => Promise<string>,
    timeoutMs: number,
  ): Promise<{ at: number; witness: string }> =>
    pollUntil(
      async () => {
        const at = recorder.now();
        return { at, witness: await probe() };
      },
      { what, timeoutMs, intervalMs: 5, intervalMsMax: 50 },
    );

  await plan.check().catch((cause: unknown) => {
    throw new NotNowError(`${kind} is not applicable in this state: ${describeError(cause)}`);
  });
  const requestedAt = recorder.now();
  record('requested', requestedAt);
  let effective: { at: number; witness: string };
  try {
    await plan.apply();
    effective = await see(`a witness of ${kind}`, plan.witness, limits.witnessTimeoutMs);
  } catch (cause) {
    record('unwitnessed', undefined, describeError(cause));
    await undoAfter(cause, plan, limits);
    throw new InconclusiveError(`The fault ${kind} was not seen to take effect`, { cause, facts: { fault: id } });
  }
  record('effective', effective.at, effective.witness);

  const heal = async (): Promise<number> => {
    record('healing');
    await plan.undo();
    const healed = await see(`${kind} to be healed`, plan.witnessHealed, limits.healTimeoutMs);
    record('healed', healed.at, healed.witness);
    return healed.at;
  };
  let healing: Promise<number> | undefined;
  const healOnce = (): Promise<number> => (healing ??= heal());
  if (plan.momentary) await healOnce();
  return {
    id,
    kind,
    target,
    requestedAt,
    effectiveAt: effective.at,
    witness: effective.witness,
    heal: healOnce,
    async [Symbol.asyncDispose]() {
      await healOnce();
    },
  };
}

/** Undoes a fault that never took effect; should that fail as well, both errors are reported. */
async function undoAfter(cause: unknown, plan: FaultPlan, limits: FaultLimits): Promise<void> {
  try {
    await plan.undo();
    await pollUntil(plan.witnessHealed, { what: `${plan.target} to answer again`, timeoutMs: limits.healTimeoutMs });
  } catch (error) {
    const both = new AggregateError([cause, error], `The fault ${plan.kind} neither took effect nor could be undone`);
    // A command of the target file does not work: a failure of the file alone.
    if (error instanceof InconclusiveError) throw new InconclusiveError(both.message, { cause: both });
    throw both;
  }
}
