import { randomInt } from 'node:crypto';
import type { Command } from 'commander';
import type { ProfileName } from '../contract/names.ts';
import { type CaseFilter, filterCases } from './cases.ts';
import { conduct } from './conduct.ts';
import { EXIT_CODES_HELP } from './exit-codes.ts';
import { whatToJudge } from './judged.ts';
import {
  allowPartialOption,
  caseOption,
  type EnvironmentChoice,
  environmentOption,
  profileOption,
  reportOption,
  retriesOption,
  SEED_MAX,
  seedOption,
  targetFileOf,
  targetOption,
  tierOption,
} from './options.ts';

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
  const judged = await whatToJudge(env, path);
  return conduct({
    ...judged,
    ...{ profile, reportDirectory, retries, keep, json },
    seed: options.seed ?? randomInt(SEED_MAX),
    wanted: wantedOf(options),
    allowPartial: options.allowPartial ?? judged.target?.allow_partial ?? false,
  });
}

/** Ids as they were given, where they say all; a tier is spelt out, which holds as long as the ledger does. */
function wantedOf({ case: ids = [], tier: tiers = [] }: RunOptions): readonly string[] {
  const selected = filterCases({ ids, tiers });
  if (tiers.length === 0) return ids;
  return ids.length > 0
    ? selected.map(({ key }) => key)
    : [...new Set(selected.map(({ requirement }) => requirement.id))];
}
