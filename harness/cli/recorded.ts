import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { CASE_KEYS } from '../../suites/requirements.ts';
import { type RunPlan, runPlanSchema } from '../config/run-plan.ts';
import { UsageError } from '../core/errors.ts';
import type { CaseFinished, RunStarted, SoakPlanned, Verdict } from '../record/history.ts';
import { readHistory } from '../record/writer.ts';

export const LATEST = 'reports/output/latest';
const WELL: readonly Verdict[] = ['pass', 'xfail', 'skip'];

export interface RecordedRun {
  directory: string;
  started: RunStarted;
  finished: ReadonlyMap<string, CaseFinished>;
  /** Of a soak: what it was going to break. */
  rounds?: SoakPlanned['rounds'];
}

/** The history of the run in a folder. @throws UsageError when there is none */
export async function historyIn(directory: string): Promise<string> {
  const path = join(directory, 'history.jsonl');
  await access(path).catch((cause: unknown) => {
    throw new UsageError(`Expected the folder of a run, with its history.jsonl, got ${directory}`, { cause });
  });
  return path;
}

/** @throws UsageError when there is no run in the folder */
export async function readRun(directory: string): Promise<RecordedRun> {
  const path = await historyIn(directory);
  let started: RunStarted | undefined;
  const finished = new Map<string, CaseFinished>();
  let rounds: SoakPlanned['rounds'] | undefined;
  for await (const record of readHistory(path)) {
    if (record.type === 'run-started') started = record;
    else if (record.type === 'case-finished') finished.set(record.case, record);
    else if (record.type === 'soak-planned') rounds = record.rounds;
  }
  if (started === undefined) throw new UsageError(`${path} does not say what was run`);
  return { directory, started, finished, rounds };
}

function failedCases({ directory, started, finished }: RecordedRun): readonly string[] {
  const failed = started.selected.filter((key) => {
    const verdict = finished.get(key)?.verdict;
    return verdict === undefined || !WELL.includes(verdict);
  });
  if (failed.length === 0) {
    const skipped = started.selected.filter((key) => finished.get(key)?.verdict === 'skip').length;
    const rest = skipped === 0 ? '' : `; ${skipped} were skipped, since the target does not support what they need`;
    throw new UsageError(`Nothing to run again: no case that ran in ${directory} failed${rest}`);
  }
  return failed;
}

/** The plan that a run recorded. @throws UsageError when it was recorded by a version that had none, or other ones */
export function planRecorded({ runId, plan }: RunStarted): RunPlan {
  const parsed = runPlanSchema.safeParse(plan);
  if (parsed.success) return parsed.data;
  throw new UsageError(`The run ${runId} was made by another version: ${z.prettifyError(parsed.error)}`);
}

/** The plan of a run that does what a recorded one did. @throws UsageError when this version cannot */
export function planOf({ started, rounds }: RecordedRun, wanted: readonly string[], keep = false): RunPlan {
  const unknown = wanted.find((key) => !CASE_KEYS.includes(key));
  if (unknown !== undefined)
    throw new UsageError(`The run was made by another version: there is no case ${unknown} here`);
  const { soak, ...plan } = planRecorded(started);
  return {
    ...plan,
    reason: `as in run ${started.runId}`,
    cases: [...wanted],
    keep,
    soak: soak && { ...soak, rounds: rounds === undefined ? soak.rounds : [...rounds] },
  };
}

/**
 * The plan of a run that does again what the one in a folder did, or, with `failed`, only the cases of it that did not end
 * well.
 * @throws UsageError when there is no run in the folder, or none that this version can repeat, or none of it failed
 */
export async function planAgain(directory: string, { failed = false, keep = false }): Promise<RunPlan> {
  const recorded = await readRun(directory);
  return planOf(recorded, failed ? failedCases(recorded) : recorded.started.selected, keep);
}
