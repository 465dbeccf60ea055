#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { packageFacts } from '../config/settings.ts';
import { describeError } from '../core/errors.ts';
import { addBenchCommand } from './bench.ts';
import { addCasesCommand } from './cases-command.ts';
import { EXIT, EXIT_CODES_HELP, exitCodeForError } from './exit-codes.ts';
import { addReportCommand } from './report.ts';
import { addRunCommand } from './run.ts';
import { refuseMisspeltSettings, SETTINGS_HELP } from './settings.ts';
import { addStartCommand } from './start.ts';

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
  $ syncproof start                    bring the pipeline up, to try by hand
  $ syncproof bench                    sync latency beside its floor
  $ syncproof report reports/output/latest   write a run's reports again
${SETTINGS_HELP}
${EXIT_CODES_HELP}`,
    );
  addRunCommand(program, finish);
  addStartCommand(program, finish);
  addBenchCommand(program, finish);
  addReportCommand(program, finish);
  addCasesCommand(program, finish);
  return program;
}

/** A stray `--`, as in `pnpm test:e2e -- --env processes`, would make every option a positional argument. */
function withoutStraySeparator(words: readonly string[]): string[] {
  const at = words.indexOf('--');
  return at === -1 ? [...words] : words.toSpliced(at, 1);
}

async function main(words: readonly string[]): Promise<number> {
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

process.exit(await main(process.argv.slice(2)));
