import { randomInt } from 'node:crypto';
import type { Command } from 'commander';
import type { ProfileName } from '../../services/contract/names.ts';
import type { RunPlan } from '../config/run-plan.ts';
import { type CaseFilter, filterCases } from './cases.ts';
import { conduct } from './conduct.ts';

import {
  allowPartialOption,
  caseOption,
  type EnvironmentChoice,
  environmentOption,
  profileOption,
  reportOption,
  resolveTarget,
  retriesOption,
  SEED_MAX,
  seedOption,
  targetFileOf,
  targetOption,
  tierOption,
} from './options.ts';
import { EXIT_CODES_HELP } from './output.ts';

interface RunOptions {
  env: EnvironmentChoice;
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
  $ syncproof run --json | jq .verdict               for scripts
${EXIT_CODES_HELP}`,
    )
    .action(async (options: RunOptions, command: Command) => finish(await run(options, targetFileOf(command))));
}

async function run(options: RunOptions, path: string | undefined): Promise<number> {
  const { env, profile, report: reportDirectory, retries, keep = false, json = false } = options;
  const judged = await resolveTarget(env, path);
  const plan: RunPlan = {
    ...judged.plan,
    profile,
    seed: options.seed ?? randomInt(SEED_MAX),
    cases: wantedOf(options),
    retries,
    allowPartial: options.allowPartial ?? judged.target?.allow_partial ?? false,
    keep,
  };
  return conduct(plan, { reportDirectory, json });
}

/** Ids as they were given, where they say all; a tier is spelt out, which holds as long as the ledger does. */
function wantedOf({ case: ids = [], tier: tiers = [] }: RunOptions): string[] {
  const selected = filterCases({ ids, tiers });
  if (tiers.length === 0) return [...ids];
  return ids.length > 0
    ? selected.map(({ key }) => key)
    : [...new Set(selected.map(({ requirement }) => requirement.id))];
}
