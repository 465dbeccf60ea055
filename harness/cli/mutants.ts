import { stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { planWorkers } from '../../suites/ledger/ledger.ts';
import { mutantsFrom } from '../../suites/mutants/from.ts';
import { matrixLines, type Trial } from '../../suites/mutants/matrix.ts';
import type { Mutant } from '../../suites/mutants/mutant.ts';
import { tryMutants } from '../../suites/mutants/trials.ts';
import { CASE_KEYS, caseByKey, requirementsVersion } from '../../suites/requirements.ts';
import { MUTANTS, mutantsOf } from '../../suites/variants.ts';
import { isInstalled, packageFacts } from '../config/settings.ts';
import { onInterrupt } from '../core/interrupt.ts';
import { shownPath, table } from '../core/text.ts';
import type { KillMatrix } from '../report/result.ts';
import { killMatrixPath } from '../report/write.ts';
import { integerBetween, reportOption } from './options.ts';
import { EXIT, EXIT_CODES_HELP, openScreen, writeJson } from './output.ts';
import { rewriteReports } from './report.ts';

/** On two cores; each is a pipeline of its own and mostly waits. */
const PARALLEL = 4;

interface MutantsOptions {
  mutant?: readonly string[];
  from?: string;
  parallel: number;
  report: string;
  list?: boolean;
  json?: boolean;
}

export function addMutantsCommand(program: Command, finish: (exitCode: number) => void): void {
  program
    .command('mutants')
    .description('Prove that the cases find what they are for: run broken variants of the reference against them.')
    .option('--mutant <id...>', 'only these, or globs of them')
    .option('--from <dir>', "variants of one's own instead: .json, .ts, .js or .mjs files")
    .option('--parallel <n>', 'how many to try side by side', integerBetween(1, 64), PARALLEL)
    .addOption(reportOption())
    .option('--list', 'list what is broken and what must find it, without a trial')
    .option('--json', 'write the kill matrix to stdout, and everything else to stderr')
    .addHelpText(
      'after',
      `
Examples:
  $ syncproof mutants                             all of them
  $ syncproof mutants --list
  $ syncproof mutants --mutant 'relay-*' --parallel 2
  $ syncproof mutants --from ./my-mutants         see docs/mutants.md
${EXIT_CODES_HELP}
A variant that survives is a violation: 1.`,
    )
    .action(async (options: MutantsOptions) => finish(await mutants(options)));
}

async function mutants(options: MutantsOptions): Promise<number> {
  const { mutant: ids = [], from, parallel, report, json = false } = options;
  const chosen = mutantsOf(ids, from === undefined ? MUTANTS : await mutantsFrom(from, CASE_KEYS));
  if (options.list) return list(chosen, json);
  using screen = openScreen(json ? process.stderr : process.stdout);
  using interrupt = onInterrupt(() => process.kill(process.pid, 'SIGKILL'));
  const madeAt = new Date().toISOString();
  const folder = resolve(report, `mutants-${madeAt.slice(0, 19).replaceAll(':', '-')}`);
  const total = chosen.reduce((sum, { caughtBy }) => sum + caughtBy.length, 0);
  let done = 0;
  screen.live(() => [`${done} of ${total} trials`]);
  const trials = await tryMutants(chosen, {
    // Its cases one after the other, in one environment: several variants are tried side by side.
    workersFor: (keys) => planWorkers(keys.map(caseByKey), 1),
    folder,
    parallel,
    signal: interrupt.signal,
    onTrials(own) {
      done += own.length;
      for (const line of matrixLines(own)) screen.line(line);
    },
  });
  screen.clear();
  const matrix: KillMatrix = {
    madeAt,
    suiteVersion: packageFacts().version,
    requirementsVersion: requirementsVersion(),
    trials,
  };
  const text = `${JSON.stringify(matrix, null, 2)}\n`;
  await writeFile(join(folder, 'mutants.json'), text);
  const whole = from === undefined && ids.length === 0 && !interrupt.signal.aborted;
  // What a run's report shows is the whole matrix, never some of it.
  if (whole) await publish(text, report);
  for (const line of ['', 'Kill matrix, by case:', ...matrixLines(trials)]) screen.line(line);
  screen.line(`\nAs data: ${shownPath(join(folder, 'mutants.json'))}`);
  if (json) writeJson(matrix);
  return conclude(trials, { screen, interrupted: interrupt.signal.aborted, total });
}

/** Lays the matrix where the reports of runs find it, and renews the latest. */
async function publish(text: string, report: string): Promise<void> {
  await writeFile(killMatrixPath(report), text);
  const latest = join(report, 'latest');
  if (await stat(latest).catch(() => undefined)) await rewriteReports(latest);
}

function conclude(
  trials: readonly Trial[],
  { screen, interrupted, total }: { screen: { line(text: string): void }; interrupted: boolean; total: number },
): number {
  const survivors = trials.filter(({ killed }) => !killed);
  if (survivors.length > 0) {
    screen.line('\nNot passed:');
    for (const line of matrixLines(survivors)) screen.line(`  ${line}`);
    const ids = [...new Set(survivors.map(({ mutant }) => mutant))].join(' ');
    screen.line(`  again: ${isInstalled() ? 'npx' : 'npx -y pnpm@12'} syncproof mutants --mutant ${ids}\n`);
  }
  if (interrupted) screen.line(`Interrupted: ${total - trials.length} of ${total} trials were not made`);
  screen.line(`${trials.length - survivors.length} killed, ${survivors.length} survived`);
  if (survivors.length > 0) return EXIT.violation;
  return interrupted ? EXIT.inconclusive : EXIT.conformant;
}

function list(chosen: readonly Mutant[], json: boolean): number {
  if (json) {
    writeJson(chosen);
  } else {
    using screen = openScreen(process.stdout);
    const rows = chosen.map(({ id, caughtBy, defect }) => [id, caughtBy.join(', '), defect]);
    for (const line of table(rows)) screen.line(line);
  }
  return EXIT.conformant;
}
