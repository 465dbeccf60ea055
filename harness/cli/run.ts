import { randomInt } from 'node:crypto';
import type { Command } from 'commander';
import type { ProfileName } from '../../services/contract/names.ts';
import type { RunPlan } from '../config/run-plan.ts';
import { UsageError } from '../core/errors.ts';
import { shellWord } from '../core/text.ts';
import { type CaseFilter, filterCases } from './cases.ts';
import { executeRun } from './execute-run.ts';
import {
  allowPartialOption,
  caseOption,
  environmentOption,
  profileOption,
  reportOption,
  resolveTarget,
  retriesOption,
  SEED_MAX,
  seedOption,
  targetOption,
  tierOption,
} from './options.ts';
import { EXIT_CODES_HELP, noteFormerName } from './output.ts';
import { LATEST, planAgain } from './recorded.ts';

interface RunOptions {
  from?: string;
  failed?: boolean;
  case?: readonly string[];
  tier?: CaseFilter['tiers'];
  seed?: number;
  profile: ProfileName;
  report: string;
  retries: number;
  allowPartial?: boolean;
  keep?: boolean;
  json?: boolean;
}

/** Options that say what a recorded run says, too. */
const RECORDED = ['case', 'tier', 'seed', 'env', 'target', 'profile'];

/** What `run --from` was called before: the name → whether it took only what failed. */
const FORMER_NAMES: readonly (readonly [name: string, failed: boolean])[] = [
  ['rerun-failed', true],
  ['replay', false],
];

export function addRunCommand(program: Command, finish: (exitCode: number) => void): void {
  program
    .command('run')
    .description('Run the conformance suite, against the reference pipeline or yours, and write the report.')
    .addOption(targetOption())
    .addOption(environmentOption())
    .addOption(caseOption())
    .addOption(tierOption())
    .addOption(seedOption())
    .addOption(profileOption())
    .addOption(retriesOption())
    .addOption(allowPartialOption())
    .option('--from <dir>', 'repeat the run in this folder: its cases, seed, settings and target')
    .option('--failed', 'of --from, only the cases that did not end well')
    .addOption(reportOption())
    .option('--keep', 'leave the environment of a failed case running, to look at')
    .option('--json', 'write result.json to stdout, and everything else to stderr')
    .addHelpText(
      'after',
      `
Examples:
  $ syncproof run                                    the reference pipeline, in the best environment there is
  $ syncproof run --target target.yaml               your pipeline; \`syncproof init\` writes the file
  $ syncproof run --env processes                    without Docker
  $ syncproof run --case RES-01 RES-02               what happens when Redis dies
  $ syncproof run --tier core                        whether it syncs at all
  $ syncproof run --case RES-01/killed --keep        one case, and a look at the pipeline after a failure
  $ syncproof run --seed 42 --report /tmp/report     the choices of an earlier run, elsewhere
  $ syncproof run --from reports/output/latest       the latest run, once more
  $ syncproof run --from reports/output/2026-01-31T09-30-00-ab12 --failed
  $ syncproof run --json | jq .verdict               for scripts
With --from the recorded run says what is run, how and where: environment variables do not, and
--${RECORDED.join(', --')} are refused beside it.
${EXIT_CODES_HELP}`,
    )
    .action(async (options: RunOptions, command: Command) => finish(await run(options, command)));
  for (const [name, failed] of FORMER_NAMES) addFormerName(program, finish, { name, failed });
}

function addFormerName(
  program: Command,
  finish: (exitCode: number) => void,
  { name, failed }: { name: string; failed: boolean },
): void {
  const nowOf = (directory: string): string => `run --from ${directory}${failed ? ' --failed' : ''}`;
  program
    .command(name, { hidden: true })
    .description(`The former name of \`syncproof ${nowOf('<dir>')}\`.`)
    .argument('[directory]', 'folder of the run', LATEST)
    .addOption(reportOption())
    .option('--keep', 'leave the environment of a failed case running, to look at')
    .option('--json', 'write result.json to stdout, and everything else to stderr')
    .addHelpText('after', `\nExample:\n  $ syncproof ${nowOf(LATEST)}\n${EXIT_CODES_HELP}`)
    .action(async (directory: string, { report, keep, json }: RunOptions) => {
      noteFormerName(name, nowOf(shellWord(directory)));
      finish(await executeRun(await planAgain(directory, { failed, keep }), { reportDirectory: report, json }));
    });
}

async function run(options: RunOptions, command: Command): Promise<number> {
  const { from, failed = false, report: reportDirectory, json = false } = options;
  if (from === undefined && failed) throw new UsageError('Expected --from beside --failed: the run whose cases failed');
  const plan = from === undefined ? await newPlan(options, command) : await recordedPlan(from, options, command);
  return executeRun(plan, { reportDirectory, json });
}

async function newPlan(options: RunOptions, command: Command): Promise<RunPlan> {
  const { profile, retries, keep = false } = options;
  const judged = await resolveTarget(command);
  return {
    ...judged.plan,
    profile,
    seed: options.seed ?? randomInt(SEED_MAX),
    cases: wantedOf(options),
    retries,
    allowPartial: options.allowPartial ?? judged.target?.allow_partial ?? false,
    keep,
  };
}

/** @throws UsageError where the command line contradicts what the run recorded */
async function recordedPlan(from: string, options: RunOptions, command: Command): Promise<RunPlan> {
  const isGiven = (name: string): boolean => command.getOptionValueSource(name) === 'cli';
  const rival = RECORDED.find(isGiven);
  if (rival !== undefined) {
    throw new UsageError(`Expected --from or --${rival}, got both: the recorded run says what is run, how and where`);
  }
  const plan = await planAgain(from, options);
  return {
    ...plan,
    retries: isGiven('retries') ? options.retries : plan.retries,
    allowPartial: options.allowPartial ?? plan.allowPartial,
  };
}

/** Ids as they were given, where they say all; a tier is spelt out, which holds as long as the ledger does. */
function wantedOf({ case: ids = [], tier: tiers = [] }: RunOptions): string[] {
  const selected = filterCases({ ids, tiers });
  if (tiers.length === 0) return [...ids];
  return ids.length > 0
    ? selected.map(({ key }) => key)
    : [...new Set(selected.map(({ requirement }) => requirement.id))];
}
