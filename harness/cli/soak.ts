import { randomInt } from 'node:crypto';
import { type Command, InvalidArgumentError } from 'commander';
import type { ProfileName } from '../../services/contract/names.ts';
import type { RunPlan } from '../config/run-plan.ts';
import { lengthOf, loadSoakPlan } from '../config/soak-plan.ts';
import { requireKnownFaults } from './cases.ts';
import { executeRun } from './execute-run.ts';
import {
  environmentOption,
  profileOption,
  reportOption,
  resolveTarget,
  SEED_MAX,
  seedOption,
  targetOption,
} from './options.ts';
import { EXIT_CODES_HELP } from './output.ts';

interface SoakOptions {
  minutes: number;
  rate?: number;
  plan?: string;
  seed?: number;
  profile: ProfileName;
  report: string;
  keep?: boolean;
  json?: boolean;
}

const MINUTES = 10;
const MINUTES_MAX = 10_000;
const RATE = 20;
const RATE_MAX = 1000;

export function addSoakCommand(program: Command, finish: (exitCode: number) => void): void {
  program
    .command('soak')
    .description('Try to disprove it: mixed load while a seeded nemesis breaks servers, services and wires (SOAK-01).')
    .option('--minutes <n>', 'how long it breaks things', numberUpTo(MINUTES_MAX), MINUTES)
    .option('--rate <n>', `operations a second (default: ${RATE}, or the plan's)`, numberUpTo(RATE_MAX))
    .option('--plan <file>', 'what to break, and the seed, from a file that `syncproof shrink` wrote')
    .addOption(targetOption())
    .addOption(environmentOption())
    .addOption(seedOption())
    .addOption(profileOption())
    .addOption(reportOption())
    .option('--keep', 'leave the environment of a failed soak running, to look at')
    .option('--json', 'write result.json to stdout, and everything else to stderr')
    .addHelpText(
      'after',
      `
Examples:
  $ syncproof soak                            ten minutes, on the reference pipeline
  $ syncproof soak --minutes 60 --rate 50
  $ syncproof soak --seed 42                  the same faults in the same order, and the same kinds of operations
  $ syncproof soak --plan smallest.json       what \`syncproof shrink\` found
  $ syncproof soak --target target.yaml       your pipeline; its control hooks say what can be broken
${EXIT_CODES_HELP}`,
    )
    .action(async (options: SoakOptions, command: Command) => finish(await soak(options, command)));
}

async function soak(options: SoakOptions, command: Command): Promise<number> {
  const { profile, report: reportDirectory, keep = false, json = false } = options;
  const plan = options.plan === undefined ? undefined : { planFile: options.plan, ...loadSoakPlan(options.plan) };
  if (plan !== undefined) {
    const names = plan.rounds.flatMap(({ disruptions }) => disruptions.map(({ name }) => name));
    requireKnownFaults(names, plan.planFile);
  }
  const judged = await resolveTarget(command);
  const run: RunPlan = {
    ...judged.plan,
    profile,
    seed: options.seed ?? plan?.seed ?? randomInt(SEED_MAX),
    cases: ['SOAK-01'],
    retries: 0,
    keep,
    soak: {
      seconds: plan === undefined ? options.minutes * 60 : lengthOf(plan.rounds) / 1000,
      rounds: plan?.rounds,
      planFile: plan?.planFile,
      ratePerSecond: options.rate ?? plan?.ratePerSecond ?? RATE,
    },
    allowPartial: judged.target?.allow_partial ?? false,
  };
  return executeRun(run, { reportDirectory, json });
}

/** Parser of a positive number, for commander. */
function numberUpTo(max: number): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (value.trim() !== '' && number > 0 && number <= max) return number;
    throw new InvalidArgumentError(`Expected a number above 0, at most ${max}, got ${JSON.stringify(value)}.`);
  };
}
