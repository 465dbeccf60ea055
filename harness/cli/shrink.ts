import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { lengthOf, type PlannedRound, type SoakPlan } from '../config/soak-plan.ts';
import { minimized } from '../core/ddmin.ts';
import { UsageError } from '../core/errors.ts';
import { onInterrupt } from '../core/interrupt.ts';
import { milliseconds, shownPath } from '../core/text.ts';
import type { RunResult } from '../report/result.ts';
import { runResult } from './execute-run.ts';
import { integerBetween, reportOption } from './options.ts';
import { EXIT, EXIT_CODES_HELP, openScreen, type Screen, writeJson } from './output.ts';
import { LATEST, planOf, planRecorded, type RecordedRun, readRun } from './recorded.ts';

interface ShrinkOptions {
  repeats: number;
  failures: number;
  report: string;
  json?: boolean;
}

const REPEATS_MAX = 100;
/** A load below that meets hardly any fault. */
const RATE_MIN = 2;

export function addShrinkCommand(program: Command, finish: (exitCode: number) => void): void {
  program
    .command('shrink')
    .description('Reduce a soak that failed: fewer faults, then fewer operations, as long as it still fails.')
    .argument('[directory]', 'folder of the run', LATEST)
    .option('--repeats <n>', 'how often each plan is tried', integerBetween(1, REPEATS_MAX), 1)
    .option('--failures <k>', 'how many of these must fail', integerBetween(1, REPEATS_MAX), 1)
    .addOption(reportOption())
    .option('--json', 'write the smallest plan to stdout, and everything else to stderr')
    .addHelpText(
      'after',
      `
Examples:
  $ syncproof shrink                                  the latest run
  $ syncproof shrink reports/output/2026-01-31T09-30-00-ab12 --repeats 5 --failures 3
  $ syncproof soak --plan reports/output/smallest.json    what it found, once more
Ctrl-C ends it; the smallest plan so far is written then, too.
${EXIT_CODES_HELP}`,
    )
    .action(async (directory: string, options: ShrinkOptions) => finish(await shrink(directory, options)));
}

async function shrink(directory: string, options: ShrinkOptions): Promise<number> {
  const { repeats, failures, report, json = false } = options;
  if (failures > repeats) {
    throw new UsageError(`Expected --failures to be at most --repeats, got ${failures} of ${repeats}`);
  }
  const recorded = await readRun(directory);
  const whole = failedPlan(recorded);
  using screen = openScreen(json ? process.stderr : process.stdout);
  // The run in progress receives it, too, and a second one.
  using interrupt = onInterrupt(() => {});
  screen.line(`Of ${directory}: ${inWords(whole)}`);
  const fails = async (plan: SoakPlan): Promise<boolean> => {
    const failed: RunResult[] = [];
    for (let tried = 1; tried <= repeats && failures - failed.length <= repeats - tried + 1; tried++) {
      interrupt.signal.throwIfAborted();
      const result = await tryPlan(recorded, plan, report);
      if (result.verdict === 'violation') failed.push(result);
      say(screen, plan, result);
      if (failed.length === failures) return true;
    }
    interrupt.signal.throwIfAborted();
    return false;
  };
  let smallest: SoakPlan | undefined;
  const keep = async (plan: SoakPlan): Promise<boolean> => {
    if (!(await fails(plan))) return false;
    smallest = plan;
    return true;
  };
  try {
    if (await keep(whole)) await reduce(whole, keep);
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
  }
  if (smallest === undefined) {
    screen.line('It did not fail again: nothing to reduce. More --repeats may help where it fails now and then.');
    return EXIT.inconclusive;
  }
  const path = join(report, 'smallest.json');
  await writeFile(path, `${JSON.stringify(smallest, null, 2)}\n`);
  if (json) writeJson(smallest);
  screen.line(`\nSmallest that fails: ${inWords(smallest)}`);
  for (const { disruptions } of smallest.rounds) screen.line(`  ${disruptions.map(({ name }) => name).join(' with ')}`);
  screen.line(`Repeat:  syncproof soak --plan ${shownPath(path)}`);
  return EXIT.violation;
}

/** Fewer rounds, then one disruption where there were two, then a lighter load. */
async function reduce(whole: SoakPlan, fails: (plan: SoakPlan) => Promise<boolean>): Promise<void> {
  let { rounds } = whole;
  rounds = [...(await minimized(rounds, (some) => fails({ ...whole, rounds: [...some] })))];
  for (const [index, { disruptions }] of rounds.entries()) {
    if (disruptions.length < 2) continue;
    for (const disruption of disruptions) {
      const single = { ...(rounds[index] as PlannedRound), disruptions: [{ ...disruption, startMs: 0 }] };
      if (!(await fails({ ...whole, rounds: rounds.with(index, single) }))) continue;
      rounds = rounds.with(index, single);
      break;
    }
  }
  for (let { ratePerSecond } = whole; ratePerSecond / 2 >= RATE_MIN; ratePerSecond /= 2) {
    if (!(await fails({ ...whole, rounds, ratePerSecond: ratePerSecond / 2 }))) return;
  }
}

/** @throws UsageError unless the run was a soak that failed */
function failedPlan({ directory, started, finished, rounds }: RecordedRun): SoakPlan {
  const { soak, seed } = planRecorded(started);
  if (soak === undefined || rounds === undefined) {
    throw new UsageError(`Expected directory to be the run of a soak, got ${directory}`);
  }
  if (![...finished.values()].some(({ verdict }) => verdict === 'fail')) {
    throw new UsageError(`Expected directory to be a soak that failed, and the one in ${directory} did not`);
  }
  return { seed, ratePerSecond: soak.ratePerSecond, rounds: [...rounds] };
}

async function tryPlan(recorded: RecordedRun, plan: SoakPlan, report: string): Promise<RunResult> {
  const run = planOf(recorded, recorded.started.selected);
  const soak = { ...plan, seconds: Math.ceil(lengthOf(plan.rounds) / 1000) };
  return runResult({ ...run, soak }, { reportDirectory: join(report, 'shrink'), quiet: true });
}

function say({ line, paint }: Screen, plan: SoakPlan, { verdict, run }: RunResult): void {
  const failed = verdict === 'violation';
  line(
    `${paint(failed ? 'red' : 'green', failed ? 'fails' : verdict)}  ${inWords(plan)}  ${milliseconds(run.durationMs)}`,
  );
}

function inWords({ rounds, ratePerSecond, seed }: SoakPlan): string {
  return `${rounds.length} rounds of faults, ${ratePerSecond} operations a second, seed ${seed}`;
}
