import { access, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { REQUIREMENTS, requirementsVersion } from '../../suites/requirements.ts';
import { UsageError } from '../core/errors.ts';
import { shownPath } from '../core/text.ts';
import { readHistory } from '../record/writer.ts';
import type { RunResult } from '../report/result.ts';
import { readKillMatrix, writeReports } from '../report/write.ts';
import { EXIT_CODES_HELP, writeJson } from './output.ts';
import { openScreen } from './screen.ts';
import { summaryLines } from './summary.ts';

export function addReportCommand(program: Command, finish: (exitCode: number) => void): void {
  program
    .command('report')
    .description("Write a run's reports again from its history.jsonl, and judge it again.")
    .argument('[directory]', 'folder of the run', 'reports/output/latest')
    .option('--json', 'write result.json to stdout, and everything else to stderr')
    .addHelpText(
      'after',
      `
Examples:
  $ syncproof report                                     the latest run
  $ syncproof report reports/output/2026-01-31T09-30-00-ab12
  $ syncproof report --json | jq .tiers
${EXIT_CODES_HELP}`,
    )
    .action(async (directory: string, { json = false }: { json?: boolean }) => finish(await report(directory, json)));
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
  const historyPath = join(directory, 'history.jsonl');
  await access(historyPath).catch((cause: unknown) => {
    throw new UsageError(`Expected directory to hold a run's history.jsonl, got ${directory}`, { cause });
  });
  const killMatrix = await readKillMatrix(dirname(await realpath(directory)), requirementsVersion());
  return writeReports({
    historyPath,
    outputDirectory: directory,
    requirements: REQUIREMENTS,
    complete: !(await wasInterrupted(historyPath)),
    ...(killMatrix === undefined ? {} : { killMatrix }),
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
