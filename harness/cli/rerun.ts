import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { z } from 'zod';
import { CASE_KEYS } from '../../suites/requirements.ts';
import { type RunPlan, runPlanSchema } from '../config/run-plan.ts';
import { UsageError } from '../core/errors.ts';
import type { CaseFinished, RunStarted, SoakPlanned, Verdict } from '../record/history.ts';
import { readHistory } from '../record/writer.ts';
import { conduct } from './conduct.ts';
import { reportOption } from './options.ts';
import { EXIT_CODES_HELP } from './output.ts';

interface RerunOptions {
  /** Folder that the reports go to. */
  report: string;
  keep?: boolean;
  json?: boolean;
}

export const LATEST = 'reports/output/latest';
const WELL: readonly Verdict[] = ['pass', 'xfail', 'skip'];

export function addRerunCommands(program: Command, finish: (exitCode: number) => void): void {
  const add = (name: string, description: string, examples: string, pick: (run: RecordedRun) => readonly string[]) =>
    program
      .command(name)
      .description(description)
      .argument('[directory]', 'folder of the run', LATEST)
      .addOption(reportOption())
      .option('--keep', 'leave the environment of a failed case running, to look at')
      .option('--json', 'write result.json to stdout, and everything else to stderr')
      .addHelpText('after', `\nExamples:\n${examples}\n${EXIT_CODES_HELP}`)
      .action(async (directory: string, options: RerunOptions) => {
        const recorded = await readRun(directory);
        const { report: reportDirectory, keep, json } = options;
        finish(await conduct(planOf(recorded, pick(recorded), keep), { reportDirectory, json }));
      });
  add(
    'rerun-failed',
    'Run again the cases of a run that did not end well, with its seed, settings and target.',
    '  $ syncproof rerun-failed                     of the latest run\n  $ syncproof rerun-failed reports/output/2026-01-31T09-30-00-ab12',
    failedCases,
  );
  add(
    'replay',
    'Run again what a run ran, with its seed, settings and target.',
    '  $ syncproof replay                           the latest run\n  $ syncproof replay reports/output/2026-01-31T09-30-00-ab12 --report /tmp/replay',
    ({ started }) => started.selected,
  );
}

export interface RecordedRun {
  directory: string;
  started: RunStarted;
  finished: ReadonlyMap<string, CaseFinished>;
  /** Of a soak: what it was going to break. */
  rounds?: SoakPlanned['rounds'];
}

/** @throws UsageError when there is no run in the folder */
export async function readRun(directory: string): Promise<RecordedRun> {
  const path = join(directory, 'history.jsonl');
  await access(path).catch((cause: unknown) => {
    throw new UsageError(`Expected directory to hold a run's history.jsonl, got ${directory}`, { cause });
  });
  let started: RunStarted | undefined;
  const finished = new Map<string, CaseFinished>();
  let rounds: SoakPlanned['rounds'] | undefined;
  for await (const record of readHistory(path)) {
    if (record.type === 'run-started') started = record;
    else if (record.type === 'case-finished') finished.set(record.case, record);
    else if (record.type === 'soak-planned') rounds = record.rounds;
  }
  if (started === undefined) throw new UsageError(`${path} does not say what was run`);
  return { directory, started, finished, ...(rounds === undefined ? {} : { rounds }) };
}

function failedCases({ directory, started, finished }: RecordedRun): readonly string[] {
  const failed = started.selected.filter((key) => {
    const verdict = finished.get(key)?.verdict;
    return verdict === undefined || !WELL.includes(verdict);
  });
  if (failed.length === 0) {
    const skipped = started.selected.filter((key) => finished.get(key)?.verdict === 'skip').length;
    const rest = skipped === 0 ? '' : `; ${skipped} were skipped, since the target lacks what they need`;
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
    soak: soak && { ...soak, ...(rounds === undefined ? {} : { rounds: [...rounds] }) },
  };
}
