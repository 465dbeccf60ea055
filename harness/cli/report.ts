import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { REQUIREMENTS } from '../../suites/spec/ledger.ts';
import { UsageError } from '../core/errors.ts';
import { readHistory } from '../record/writer.ts';
import { writeReports } from '../report/write.ts';
import { EXIT_CODES_HELP } from './exit-codes.ts';
import { openScreen } from './screen.ts';
import { summaryLines } from './summary.ts';
import { shownPath } from './text.ts';

export function addReportCommand(program: Command, finish: (exitCode: number) => void): void {
  program
    .command('report')
    .description("Write a run's reports again from its history.jsonl, and judge it again.")
    .argument('[directory]', 'folder of the run', 'reports/output/latest')
    .addHelpText(
      'after',
      `
Examples:
  $ syncproof report                                     the latest run
  $ syncproof report reports/output/2026-01-31T09-30-00Z-ab12
${EXIT_CODES_HELP}`,
    )
    .action(async (directory: string) => finish(await report(directory)));
}

async function report(directory: string): Promise<number> {
  const historyPath = join(directory, 'history.jsonl');
  try {
    await access(historyPath);
  } catch (cause) {
    throw new UsageError(`Expected directory to hold a run's history.jsonl, got ${directory}`, { cause });
  }
  const result = await writeReports({
    historyPath,
    outputDirectory: directory,
    requirements: REQUIREMENTS,
    complete: !(await wasInterrupted(historyPath)),
  });
  using screen = openScreen(process.stdout);
  const index = shownPath(join(directory, 'index.html'));
  for (const line of summaryLines(result, { report: index }, screen.paint)) screen.line(line);
  return result.exitCode;
}

async function wasInterrupted(historyPath: string): Promise<boolean> {
  try {
    for await (const record of readHistory(historyPath)) if (record.type === 'run-finished') return record.interrupted;
  } catch {
    // The report itself says what is wrong with the history, beside what came before.
  }
  return true;
}
