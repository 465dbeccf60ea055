import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { runCheckers } from '../check/index.ts';
import { describeError, UsageError } from '../core/errors.ts';
import { table } from '../core/table.ts';
import type { HistoryRecord, Verdict } from '../record/history.ts';
import { readHistory } from '../record/writer.ts';
import { checkFile } from '../report/check-file.ts';
import { EXIT, EXIT_CODES_HELP } from './exit-codes.ts';
import { writeJson } from './output.ts';
import { openScreen } from './screen.ts';
import { paintVerdict } from './text.ts';

export function addRecheckCommand(program: Command, finish: (exitCode: number) => void): void {
  program
    .command('recheck')
    .description('Run the checkers on a recorded history again. Needs no servers, changes no file.')
    .argument('[history]', "a run's history.jsonl, or its folder", 'reports/output/latest')
    .option('--json', 'as data')
    .addHelpText(
      'after',
      `
Examples:
  $ syncproof recheck                                     the latest run
  $ syncproof recheck reports/output/2026-01-31T09-30-00-ab12/history.jsonl
  $ syncproof recheck history.jsonl --json | jq '.cases[].findings'
${EXIT_CODES_HELP}
1 here means that a checker found something where no failure was expected; 2, that the history is torn.`,
    )
    .action(async (path: string, { json = false }: { json?: boolean }) => finish(await recheck(path, json)));
}

interface CheckedCase {
  case: string;
  /** What the run said; null when it never came to a verdict. */
  verdict: Verdict | null;
  operations: number;
  findings: readonly { checker: string; fileId?: string; message: string }[];
}

async function recheck(given: string, json: boolean): Promise<number> {
  const path = (await isFolder(given)) ? join(given, 'history.jsonl') : given;
  const { records, problem } = await readAll(path);
  const cases = await checkedCases(path, records);
  if (cases.length === 0) throw new UsageError(`Expected ${path} to hold the records of at least one case`);
  if (json) writeJson({ history: path, torn: problem ?? null, cases });
  else show(cases, problem);
  if (cases.some(({ verdict, findings }) => findings.length > 0 && verdict !== 'xfail')) return EXIT.violation;
  return problem === undefined ? EXIT.conformant : EXIT.inconclusive;
}

async function checkedCases(path: string, records: readonly HistoryRecord[]): Promise<CheckedCase[]> {
  const byCase = Map.groupBy(records, (record) => record.case);
  const checked: CheckedCase[] = [];
  for (const [key, own] of byCase) {
    if (key === undefined) continue;
    const finished = own.findLast((record) => record.type === 'case-finished');
    const verdict = finished?.verdict ?? null;
    // What did not run has nothing to check.
    if (verdict === 'skip') continue;
    const operations = own.filter(({ type }) => type === 'invoke').length;
    const large = own.some((record) => record.type === 'case-started' && record.checkedFromFile);
    const findings = large ? (await checkFile(path, key)).findings : runCheckers(own);
    checked.push({ case: key, verdict, operations, findings });
  }
  return checked;
}

function show(cases: readonly CheckedCase[], problem: string | undefined): void {
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
  if (problem !== undefined) screen.line(paint('yellow', `The history is torn: ${problem}`));
}

async function isFolder(path: string): Promise<boolean> {
  const stats = await stat(path).catch((cause: unknown) => {
    throw new UsageError(`Expected history to be a history.jsonl or a run's folder, got ${path}`, { cause });
  });
  return stats.isDirectory();
}

/** Everything up to the first line that is no record. */
async function readAll(path: string): Promise<{ records: HistoryRecord[]; problem?: string }> {
  const records: HistoryRecord[] = [];
  try {
    for await (const record of readHistory(path)) records.push(record);
  } catch (error) {
    return { records, problem: describeError(error) };
  }
  return { records };
}
