import { monotonicMs } from '../core/clock.ts';
import { DeadlineError, NotRestartedError, SyncproofError, UnreachableError } from '../core/errors.ts';
import { redisServerInfo } from '../environment/process/redis-probes.ts';
import { type Ending, ORDERLY_END_MS } from './fault.ts';
import type { FaultPlan } from './lifecycle.ts';
import type { FaultTarget } from './target.ts';
import { listenerOf, witnessAnswers, witnessGone, witnessSilent } from './witness.ts';

/** Whether a server finds its data again when it comes back. */
export type DataFate = 'keep' | 'lose';

/** SIGKILL; healed by a start, after losing the data if so asked. */
export function killPlan(target: FaultTarget, data: DataFate): FaultPlan {
  return downPlan(target, `${target.label}-killed`, data, () => target.control.kill());
}

/** An orderly end (SIGTERM); healed by a start. `onEnded` is told how it went, before the witness is asked. */
export function stopPlan(target: FaultTarget, onEnded: (ending: Ending) => void): FaultPlan {
  return downPlan(target, `${target.label}-stopped`, 'keep', async () => {
    const startedAt = monotonicMs();
    try {
      onEnded({ ...(await target.control.stop(ORDERLY_END_MS)), inTime: true });
    } catch (error) {
      // It was killed then: it is down all the same, and how it got there is for whoever asks.
      if (!(error instanceof DeadlineError)) throw error;
      onEnded({ exitCode: null, ms: monotonicMs() - startedAt, inTime: false });
    }
  });
}

function downPlan(target: FaultTarget, kind: string, data: DataFate, end: () => Promise<void>): FaultPlan {
  const { label, control } = target;
  const address = target.address();
  return {
    kind,
    target: label,
    check: () => requireRunning(target),
    apply: end,
    witness: () => witnessGone(target, address),
    async undo() {
      if (await control.running()) return;
      if (data === 'lose') await control.wipe();
      await startAgain(target);
    },
    witnessHealed: () => witnessAnswers(target),
  };
}

/** SIGSTOP: connections still come about (the kernel makes them), but nothing is answered. Healed by SIGCONT. */
export function pausePlan(target: FaultTarget): FaultPlan {
  const { label, control } = target;
  return {
    kind: `${label}-paused`,
    target: label,
    check: () => requireRunning(target),
    apply: () => control.pause(),
    witness: () => witnessSilent(listenerOf(target)),
    async undo() {
      if (await control.running()) await control.resume();
    },
    witnessHealed: () => witnessAnswers(target),
  };
}

/** Down and up again at once. The witness is what was seen in between; for Redis also a new run id. */
export function restartPlan(target: FaultTarget, data: DataFate): FaultPlan {
  const { label, control } = target;
  const runId = async (): Promise<string | undefined> =>
    target.protocol === 'redis' ? (await redisServerInfo(target.address())).run_id : undefined;
  let before: string | undefined;
  const address = target.address();
  return {
    kind: `${label}-restarted`,
    target: label,
    momentary: true,
    check: () => requireRunning(target),
    async apply() {
      before = await runId();
      await control.stop();
    },
    witness: () => witnessGone(target, address),
    async undo() {
      if (await control.running()) return;
      if (data === 'lose') await control.wipe();
      await startAgain(target);
    },
    async witnessHealed() {
      const answer = await witnessAnswers(target);
      const after = await runId();
      if (before === undefined || after === undefined) return answer;
      if (after === before) throw new SyncproofError(`${label} has the run id it had before`);
      return `${answer}, run_id ${before.slice(0, 8)} → ${after.slice(0, 8)}`;
    },
  };
}

/** @throws NotRestartedError when a service does not come back; of servers, which are ours, the error as it is */
async function startAgain({ label, control, protocol }: FaultTarget): Promise<void> {
  try {
    await control.start();
  } catch (cause) {
    if (protocol !== 'http' || !(cause instanceof UnreachableError)) throw cause;
    throw new NotRestartedError(`${label} does not come back after it was ended`, { cause });
  }
}

async function requireRunning({ label, control }: FaultTarget): Promise<void> {
  if (!(await control.running())) throw new SyncproofError(`${label} is not running`);
}
