/**
 * `pnpm test`: what must hold before a change may land, each check as a child process. The cheap ones run side by side first,
 * then those that start servers, one by one. Ends with one line: `N passed, N failed, N skipped`.
 */

import { mkdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { packageFacts } from '../../harness/config/settings.ts';
import { describeError } from '../../harness/core/errors.ts';
import { onInterrupt } from '../../harness/core/interrupt.ts';
import { milliseconds, paintFor, table } from '../../harness/core/text.ts';
import { monotonicMs } from '../../harness/core/time.ts';
import { type Check, type Counts, longChecks, QUICK_CHECKS, slowChecks } from './checks.ts';
import { problemsIn, runChild } from './child.ts';

const FAILURE_LINES = 60;

interface Outcome extends Counts {
  check: Check;
  ms: number;
  logPath: string;
  /** What did not pass, a line each. */
  problems: readonly string[];
}

const folder = join(packageFacts().root, 'reports', 'output', 'gate');
const namesIn = (checks: readonly Check[]): string[] => checks.map(({ name }) => name);
const usual = namesIn([...QUICK_CHECKS, ...slowChecks(folder)]);
const names = [...usual, ...namesIn(longChecks({ share: false }))];
const paint = paintFor(process.stdout);
const say = (line = ''): void => void process.stdout.write(`${line}\n`);

function namesOf(value: string): string[] {
  const wanted = value.split(',').map((name) => name.trim());
  const wrong = wanted.find((name) => !names.includes(name));
  if (wrong === undefined) return wanted;
  throw new InvalidArgumentError(`Expected some of ${names.join(',')}, got ${JSON.stringify(wrong)}.`);
}

async function runCheck(check: Check, signal: AbortSignal): Promise<Outcome> {
  const startedAt = monotonicMs();
  const logPath = join(folder, `${check.name}.log`);
  const outcome = (counts: Counts, problems: readonly string[] = []): Outcome => ({
    ...{ ...counts, check, logPath, problems },
    ms: monotonicMs() - startedAt,
  });
  try {
    await check.prepare?.(say);
    const end = await runChild({ ...check, logPath, loud: check.loud ?? false, signal });
    const counts = await check.count(end, folder).catch((error: unknown) => {
      say(paint('red', `${check.name}: its results cannot be read: ${describeError(error)}`));
      return { passed: 0, failed: 1, skipped: 0 };
    });
    // An exit code that says failure counts, whatever the tests said.
    const failed = end.exitCode === 0 ? counts.failed : Math.max(counts.failed, 1);
    if (failed > 0 && !check.loud) say(end.output.trimEnd().split('\n').slice(-FAILURE_LINES).join('\n'));
    return outcome({ ...counts, failed }, failed > 0 ? problemsIn(end.output) : []);
  } catch (error) {
    say(paint('red', `${check.name}: ${describeError(error)}`));
    return outcome({ passed: 0, failed: 1, skipped: 0 }, [describeError(error)]);
  }
}

function announce({ check, passed, failed, skipped, ms }: Outcome): void {
  const verdict = failed === 0 ? paint('green', 'ok') : paint('red', 'FAILED');
  const skips = skipped === 0 ? '' : `, ${skipped} skipped`;
  say(`${verdict} ${check.name}: ${passed} passed, ${failed} failed${skips} ${paint('dim', milliseconds(ms))}`);
}

async function runAll(only: readonly string[], slow: readonly Check[]): Promise<Outcome[]> {
  await mkdir(folder, { recursive: true });
  using interrupt = onInterrupt(() => process.kill(process.pid, 'SIGKILL'));
  const chosen = ({ name }: Check): boolean => only.includes(name);
  const quick = QUICK_CHECKS.filter(chosen);
  const outcomes = await Promise.all(
    quick.map(async (check) => {
      const outcome = await runCheck(check, interrupt.signal);
      announce(outcome);
      return outcome;
    }),
  );
  for (const check of slow.filter(chosen)) {
    if (interrupt.signal.aborted) break;
    say(`\n${paint('bold', check.name)}: ${check.what}`);
    const outcome = await runCheck(check, interrupt.signal);
    announce(outcome);
    outcomes.push(outcome);
  }
  if (interrupt.signal.aborted) say(paint('red', '\nInterrupted.'));
  return outcomes;
}

function closingTable(outcomes: readonly Outcome[]): string[] {
  return table([
    ['', 'check', 'passed', 'failed', 'skipped', 'time', 'log'],
    ...outcomes.map(({ check, passed, failed, skipped, ms, logPath }) => [
      failed === 0 ? paint('green', 'ok') : paint('red', 'FAILED'),
      check.name,
      ...[passed, failed, skipped].map(String),
      milliseconds(ms),
      failed === 0 ? '' : relative(process.cwd(), logPath),
    ]),
  ]);
}

const program = new Command('pnpm test')
  .description(
    'Run the checks of the project: without options those that every change has to pass, in about 8 minutes.',
  )
  .option('--all', `every check there is, also ${names.slice(usual.length).join(', ')}: about 45 minutes`)
  .addOption(
    new Option('--only <names>', `some of them, separated by commas: ${names.join(',')}`)
      .argParser(namesOf)
      .conflicts('all'),
  )
  .option('--share', 'of the broken variants only those that a change touches, and a rotating share of the others')
  .addHelpText(
    'after',
    `
Examples:
  $ pnpm test
  $ pnpm test --only lint,types,unit
  $ pnpm test --only variants --share     what CI runs of them`,
  )
  .parse();
const {
  all = false,
  only = all ? names : usual,
  share = false,
} = program.opts<{
  all?: boolean;
  only?: string[];
  share?: boolean;
}>();
const outcomes = await runAll(only, [...slowChecks(folder), ...longChecks({ share })]);
const total = (key: keyof Counts): number => outcomes.reduce((sum, outcome) => sum + outcome[key], 0);
say();
for (const line of closingTable(outcomes)) say(line);
say();
const problems = outcomes.flatMap((outcome) => outcome.problems.map((problem) => `${outcome.check.name}: ${problem}`));
if (problems.length > 0) say(['Not passed:', ...problems.map((problem) => `  ${problem}`), ''].join('\n'));
say(`${total('passed')} passed, ${total('failed')} failed, ${total('skipped')} skipped`);
process.exitCode = total('failed') === 0 && outcomes.length === only.length ? 0 : 1;
