import { SyncproofError } from '../core/errors.ts';
import type { Environment } from '../environment/environment.ts';
import { redisServerInfo } from '../environment/process/probes.ts';
import type { PartName } from '../record/history.ts';
import type { FaultPlan } from './lifecycle.ts';
import { addressOf, witnessAnswers, witnessGone, witnessSilent } from './witness.ts';

/** Whether a server finds its data again when it comes back. */
export type DataFate = 'keep' | 'lose';

type Parts = { environment: Environment; part: PartName };

/** SIGKILL; healed by a start, after losing the data if so asked. */
export function killPlan({ environment, part }: Parts, data: DataFate): FaultPlan {
  return downPlan({ environment, part }, `${part}-killed`, data, () => environment.parts[part].kill());
}

/** An orderly end (SIGTERM); healed by a start. */
export function stopPlan({ environment, part }: Parts): FaultPlan {
  return downPlan({ environment, part }, `${part}-stopped`, 'keep', async () => {
    await environment.parts[part].stop();
  });
}

function downPlan({ environment, part }: Parts, kind: string, data: DataFate, end: () => Promise<void>): FaultPlan {
  const control = environment.parts[part];
  const address = addressOf(environment, part);
  return {
    kind,
    target: part,
    check: () => requireRunning({ environment, part }),
    apply: end,
    witness: () => witnessGone(environment, part, address),
    async undo() {
      if (await control.running()) return;
      if (data === 'lose') await control.wipe();
      await control.start();
    },
    witnessHealed: () => witnessAnswers(environment, part),
  };
}

/** SIGSTOP: connections still come about (the kernel makes them), but nothing is answered. Healed by SIGCONT. */
export function pausePlan({ environment, part }: Parts): FaultPlan {
  const control = environment.parts[part];
  return {
    kind: `${part}-paused`,
    target: part,
    check: () => requireRunning({ environment, part }),
    apply: () => control.pause(),
    witness: () => witnessSilent(part, addressOf(environment, part)),
    async undo() {
      if (await control.running()) await control.resume();
    },
    witnessHealed: () => witnessAnswers(environment, part),
  };
}

/** Down and up again at once. The witness is what was seen in between; for Redis also a new run id. */
export function restartPlan({ environment, part }: Parts, data: DataFate): FaultPlan {
  const control = environment.parts[part];
  const runId = async (): Promise<string | undefined> =>
    part === 'redis' ? (await redisServerInfo(environment.redisAddress())).run_id : undefined;
  let before: string | undefined;
  const address = addressOf(environment, part);
  return {
    kind: `${part}-restarted`,
    target: part,
    momentary: true,
    check: () => requireRunning({ environment, part }),
    async apply() {
      before = await runId();
      await control.stop();
    },
    witness: () => witnessGone(environment, part, address),
    async undo() {
      if (await control.running()) return;
      if (data === 'lose') await control.wipe();
      await control.start();
    },
    async witnessHealed() {
      const answer = await witnessAnswers(environment, part);
      const after = await runId();
      if (before === undefined || after === undefined) return answer;
      if (after === before) throw new SyncproofError(`${part} has the run id it had before`);
      return `${answer}, run_id ${before.slice(0, 8)} → ${after.slice(0, 8)}`;
    },
  };
}

async function requireRunning({ environment, part }: Parts): Promise<void> {
  if (!(await environment.parts[part].running())) throw new SyncproofError(`${part} is not running`);
}
