import { realpath, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { REQUIREMENTS, requirementsVersion } from '../../suites/requirements.ts';
import { runCheckers } from '../check/index.ts';
import { describeError, UsageError } from '../core/errors.ts';
import { shownPath, table } from '../core/text.ts';
import type { HistoryRecord, Verdict } from '../record/history.ts';
import { BrokenHistoryError, readHistory } from '../record/writer.ts';
import { checkFile } from '../report/check-file.ts';
import type { RunResult } from '../report/result.ts';
import { readKillMatrix, writeReports } from '../report/write.ts';
import { EXIT, EXIT_CODES_HELP, noteFormerName, openScreen, writeJson } from './output.ts';
import { paintVerdict } from './progress.ts';
import { historyIn, LATEST } from './recorded.ts';
import { summaryLines } from './summary.ts';

interface ReportOptions {
  check?: boolean;
  json?: boolean;
}

const CHECK_HELP = `${EXIT_CODES_HELP}
With --check, 1 means that a checker found something where no failure was expected; 2, that the history is torn or
broken, that it does not say how the run or a case of it ended, or that a case was inconclusive.`;

export function addReportCommand(program: Command, finish: (exitCode: number) => void): void {
  program
    .command('report')
    .description("Write a run's reports again from its history.jsonl, and judge it again.")
    .argument('[run]', 'folder of the run; with --check its history.jsonl, too', LATEST)
    .option('--check', 'instead, run the checkers on its history again: needs no servers, changes no file')
    .option('--json', 'write result.json, or what --check found, to stdout, and everything else to stderr')
    .addHelpText(
      'after',
      `
Examples:
  $ syncproof report                                     the latest run
  $ syncproof report reports/output/2026-01-31T09-30-00-ab12
  $ syncproof report --json | jq .tiers
  $ syncproof report --check                             what the checkers find in the latest run
  $ syncproof report --check history.jsonl --json | jq '.cases[].findings'
${CHECK_HELP}`,
    )
    .action(async (run: string, { check: checks = false, json = false }: ReportOptions) =>
      finish(await (checks ? check(run, json) : report(run, json))),
    );
  program
    .command('recheck', { hidden: true })
    .description('The former name of `syncproof report --check`.')
    .argument('[history]', "a run's history.jsonl, or its folder", LATEST)
    .option('--json', 'as data')
    .addHelpText('after', `\nExample:\n  $ syncproof report --check\n${CHECK_HELP}`)
    .action(async (path: string, { json = false }: ReportOptions) => {
      noteFormerName('recheck', 'report --check');
      finish(await check(path, json));
    });
}

async function report(directory: string, json: boolean): Promise<number> {
  const result = await rewriteReports(directory);
  using screen = openScreen(json ? process.stderr : process.stdout);
  const index = shownPath(join(directory, 'index.html'));
  for (const line of summaryLines(result, { report: index }, screen.paint)) screen.line(line);
  if (json) writeJson(result);
  return result.exitCode;
}

/** @throws UsageError for a folder without a history */
export async function rewriteReports(directory: string): Promise<RunResult> {
  const historyPath = await historyIn(directory);
  return writeReports({
    historyPath,
    outputDirectory: directory,
    requirements: REQUIREMENTS,
    complete: !(await wasInterrupted(historyPath)),
    killMatrix: await readKillMatrix(dirname(await realpath(directory)), requirementsVersion()),
  });
}

async function wasInterrupted(historyPath: string): Promise<boolean> {
  try {
    for await (const record of readHistory(historyPath)) if (record.type === 'run-finished') return record.interrupted;
  } catch {
    // The report itself says what is wrong with the history, beside what came before.
  }
  return true;
}

interface CheckedCase {
  case: string;
  /** What the run said; null when it never came to a verdict. */
  verdict: Verdict | null;
  operations: number;
  findings: readonly { checker: string; fileId?: string; message: string }[];
}

/** Runs the checkers on what a run recorded, and gives the exit code. */
async function check(given: string, json: boolean): Promise<number> {
  const path = (await isFolder(given)) ? await historyIn(given) : given;
  const { cases: read, problems, linesMax } = await readCases(path);
  const cases: CheckedCase[] = [];
  for (const [key, { verdict, operations, records }] of read) {
    // What did not run has nothing to check.
    if (verdict === 'skip') continue;
    const findings = records === undefined ? (await checkFile(path, key, { linesMax })).findings : runCheckers(records);
    cases.push({ case: key, verdict, operations, findings });
  }
  if (cases.length === 0 && problems.length === 0)
    throw new UsageError(`Expected ${path} to hold the records of at least one case`);
  if (json) writeJson({ history: path, problems, cases });
  else showFindings(cases, problems);
  if (cases.some(({ verdict, findings }) => findings.length > 0 && verdict !== 'xfail')) return EXIT.violation;
  // Where the final reads were never made, nothing can be found.
  const isWhole = problems.length === 0 && !cases.some(({ verdict }) => verdict === 'inconclusive');
  return isWhole ? EXIT.conformant : EXIT.inconclusive;
}

interface ReadCase {
  /** The line on which it began. */
  lineNumber: number;
  verdict: Verdict | null;
  operations: number;
  /** Undefined: there may be more of them than fit in memory. */
  records: HistoryRecord[] | undefined;
}

interface ReadCases {
  cases: ReadonlyMap<string, ReadCase>;
  /** What is wrong with the history, each with the line that shows it. */
  problems: readonly string[];
  /** Lines up to the first that is no record. */
  linesMax: number;
}

async function readCases(path: string): Promise<ReadCases> {
  const cases = new Map<string, ReadCase>();
  const problems: string[] = [];
  let [lineNumber, linesMax, ended] = [0, Number.POSITIVE_INFINITY, false];
  const spoilt = (at: number, how: string): void => {
    linesMax = at - 1;
    problems.push(`${path}:${at} ${how}`);
  };
  try {
    const onLine = (at: number): void => {
      lineNumber = at;
    };
    const onTorn = (at: number): void => spoilt(at, 'is torn: the history ends in it');
    for await (const record of readHistory(path, { onLine, onTorn })) {
      if (record.type === 'run-finished') ended = true;
      if (record.case !== undefined) takeIn(cases, record.case, record, lineNumber);
    }
  } catch (error) {
    if (!(error instanceof BrokenHistoryError)) throw error;
    spoilt(error.lineNumber, `is no record: ${describeError(error.cause)}`);
  }
  if (problems.length === 0 && !ended)
    problems.push(`${path}:${lineNumber} is the last line, and none says that the run ended`);
  for (const [key, { verdict, lineNumber: began }] of cases)
    if (verdict === null) problems.push(`${path}:${began} begins ${key}, and no line says how it ended`);
  return { cases, problems, linesMax };
}

function takeIn(cases: Map<string, ReadCase>, key: string, record: HistoryRecord, lineNumber: number): void {
  const own = cases.get(key) ?? { lineNumber, verdict: null, operations: 0, records: [] };
  cases.set(key, own);
  if (record.type === 'case-started') {
    own.lineNumber = lineNumber;
    if (record.checkedFromFile) own.records = undefined;
  }
  if (record.type === 'case-finished') own.verdict = record.verdict;
  if (record.type === 'invoke') own.operations++;
  own.records?.push(record);
}

function showFindings(cases: readonly CheckedCase[], problems: readonly string[]): void {
  using screen = openScreen(process.stdout);
  const { paint } = screen;
  const rows = cases.map(({ case: key, verdict, operations, findings }) => [
    findings.length > 0
      ? paint('red', `${findings.length} found`)
      : operations === 0
        ? paint('dim', 'nothing to check')
        : paint('green', 'nothing found'),
    key,
    `${operations} operations`,
    verdict === null ? paint('yellow', 'no verdict') : paintVerdict(verdict, paint),
  ]);
  for (const line of table(rows)) screen.line(line);
  for (const { case: key, findings } of cases) {
    for (const { checker, message } of findings) screen.line(`${paint('red', checker)} in ${key}: ${message}`);
  }
  const found = cases.reduce((sum, { findings }) => sum + findings.length, 0);
  const checked = cases.filter(({ operations }) => operations > 0).length;
  const rest = checked === cases.length ? '' : ` (${cases.length - checked} recorded no operation)`;
  screen.line(`\n${checked} cases checked again${rest}, ${found} findings.`);
  for (const problem of problems) screen.line(paint('yellow', `The history is not whole: ${problem}`));
}

async function isFolder(path: string): Promise<boolean> {
  const stats = await stat(path).catch((cause: unknown) => {
    throw new UsageError(`Expected history to be a history.jsonl or a run's folder, got ${path}`, { cause });
  });
  return stats.isDirectory();
}
