import { Command, CommanderError } from 'commander';
import { RUN_CONTEXT_VARIABLE } from '../config/run-plan.ts';
import { packageFacts, refuseUnknownSettings } from '../config/settings.ts';
import { describeError } from '../core/errors.ts';
import { table } from '../core/text.ts';
import { addBenchCommand } from './bench.ts';
import { addExplainCommand } from './explain.ts';
import { addInitCommand } from './init.ts';
import { addListCommand } from './list.ts';
import { addMutantsCommand } from './mutants.ts';
import { EXIT, EXIT_CODES_HELP, exitCodeForError } from './output.ts';
import { addPlanCommand } from './plan.ts';
import { addReportCommand } from './report.ts';
import { addRunCommand } from './run.ts';
import { addShrinkCommand } from './shrink.ts';
import { addSoakCommand } from './soak.ts';
import { addStartCommand } from './start.ts';

/** Environment variables that the harness reads, for `--help` and for finding misspelt ones. */
const SETTINGS: readonly (readonly [name: string, meaning: string])[] = [
  ['SYNCPROOF_ENV', 'default of --env'],
  ['SYNCPROOF_TARGET', 'default of --target'],
  ['SYNCPROOF_PROFILE', 'default of --profile'],
  ['SYNCPROOF_SEED', 'default of --seed'],
  ['SYNCPROOF_REPORT', 'default of --report'],
  ['SYNCPROOF_CACHE', 'folder for prepared servers (default: ~/.cache/syncproof; as root /var/cache/syncproof)'],
  ['REDIS_SERVER', 'a redis-server or valkey-server to use instead of one that is looked for'],
  ['SYNCPROOF_CHROMIUM', 'a Chromium for the browser tests instead of one that is looked for'],
  ['SYNCPROOF_REDIS_IMAGE', 'image of Redis for --env containers'],
  ['SYNCPROOF_POSTGRES_IMAGE', 'image of PostgreSQL for --env containers'],
  ['SYNCPROOF_SERVICE_IMAGE', 'image of the services for --env containers'],
  ['SYNCPROOF_CLIENTS_FILE', 'accounts of the admin service, for docker compose'],
  ['CI', 'plain progress lines instead of live ones'],
  ['GITHUB_ACTIONS', 'violations as annotations of the workflow'],
  ['NO_COLOR', 'no colours'],
];

const SETTINGS_HELP = `
Environment variables:
${table(SETTINGS)
  .map((line) => `  ${line}`)
  .join('\n')}`;

/** @throws UsageError for a variable that begins like one of ours but is none */
function refuseMisspeltSettings(): void {
  const names = SETTINGS.map(([name]) => name).filter((name) => name.startsWith('SYNCPROOF_'));
  refuseUnknownSettings([...names, RUN_CONTEXT_VARIABLE]);
}

function buildProgram(finish: (exitCode: number) => void): Command {
  const program = new Command('syncproof')
    .description(
      'Proves that every committed write becomes searchable, says how fast, and shows what happens when Redis dies.',
    )
    .version(packageFacts().version)
    .exitOverride()
    .showHelpAfterError('(--help lists the options, with examples)')
    .addHelpText(
      'after',
      `
Examples:
  $ syncproof run                      run everything and write reports/output/latest/index.html
  $ syncproof run --case RES-01        one requirement
  $ syncproof run --from reports/output/latest --failed
                                       what failed in the latest run, once more
  $ syncproof init                     a target file for your pipeline, from the services that run
  $ syncproof run --target target.yaml your pipeline instead of the reference
  $ syncproof start                    bring the pipeline up, to try by hand
  $ syncproof soak                     ten minutes of load and faults, drawn from a seed
  $ syncproof bench                    sync latency beside its floor
  $ syncproof explain RES-01           what it expects, why, and where to look when it fails
  $ syncproof mutants                  does the suite find what it is for?
${SETTINGS_HELP}
${EXIT_CODES_HELP}`,
    );
  addRunCommand(program, finish);
  addStartCommand(program, finish);
  addBenchCommand(program, finish);
  addSoakCommand(program, finish);
  addShrinkCommand(program, finish);
  addReportCommand(program, finish);
  addListCommand(program, finish);
  addExplainCommand(program, finish);
  addPlanCommand(program, finish);
  addInitCommand(program, finish);
  addMutantsCommand(program, finish);
  return program;
}

/** A stray `--`, as in `pnpm test:e2e -- --env processes`, would make every option a positional argument. */
function withoutStraySeparator(words: readonly string[]): string[] {
  const at = words.indexOf('--');
  return at === -1 ? [...words] : words.toSpliced(at, 1);
}

/** Runs one command line to its end. @param words without the program's own name @returns the exit code */
export async function runProgram(words: readonly string[]): Promise<number> {
  let exitCode: number = EXIT.conformant;
  const program = buildProgram((code) => {
    exitCode = code;
  });
  try {
    refuseMisspeltSettings();
    await program.parseAsync(withoutStraySeparator(words), { from: 'user' });
    return exitCode;
  } catch (error) {
    // Commander has printed its message already; help and version are no errors.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.conformant : EXIT.usage;
    process.stderr.write(`error: ${describeError(error)}\n`);
    const code = exitCodeForError(error);
    if (code === EXIT.harnessError && error instanceof Error) process.stderr.write(`${error.stack}\n`);
    return code;
  }
}
