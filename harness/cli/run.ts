import { randomInt } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { REQUIREMENTS } from '../../suites/spec/ledger.ts';
import type { RunContext } from '../config/run-context.ts';
import type { ProfileName } from '../contract/names.ts';
import { monotonicMs } from '../core/clock.ts';
import { describeError } from '../core/errors.ts';
import { prepareServers } from '../environment/servers/prepare.ts';
import { chooseEnvironmentKind } from '../environment/start.ts';
import { openHistory, type Recorder } from '../record/writer.ts';
import type { RunResult } from '../report/result.ts';
import { writeReports } from '../report/write.ts';
import { selectCases } from './cases.ts';
import { EXIT_CODES_HELP } from './exit-codes.ts';
import { followHistory } from './follow.ts';
import { onInterrupt } from './interrupt.ts';
import {
  type EnvironmentChoice,
  environmentOption,
  profileOption,
  reportOption,
  SEED_MAX,
  seedOption,
} from './options.ts';
import { applyRecord, emptyState, liveLines } from './progress.ts';
import { createRunFolder, pointLatestAt, type RunFolder } from './run-folder.ts';
import { openScreen, type Screen } from './screen.ts';
import { type SuiteEnd, startSuite, suiteArguments } from './suite-process.ts';
import { repeatCommand, summaryLines } from './summary.ts';
import { shownPath } from './text.ts';

interface RunOptions {
  env: EnvironmentChoice;
  case?: readonly string[];
  seed?: number;
  profile: ProfileName;
  report: string;
  keep?: boolean;
  json?: boolean;
}

export function addRunCommand(program: Command, finish: (exitCode: number) => void): void {
  program
    .command('run')
    .description('Run the conformance suite against the reference pipeline and write the report.')
    .addOption(environmentOption())
    .option('--case <id...>', 'only these requirements or cases, e.g. SYNC-01 RES-01/killed', collect)
    .addOption(seedOption())
    .addOption(profileOption())
    .addOption(reportOption())
    .option('--keep', 'leave the environment of a failed case running, to look at')
    .option('--json', 'write result.json to stdout, and everything else to stderr')
    .addHelpText(
      'after',
      `
Examples:
  $ pnpm test:e2e                                  everything, in the best environment there is
  $ pnpm test:e2e --env processes                  without Docker
  $ pnpm test:e2e --case RES-01 RES-02             what happens when Redis dies
  $ pnpm test:e2e --case RES-01/killed --keep      one case, and a look at the pipeline after a failure
  $ pnpm test:e2e --seed 42 --report /tmp/report   the choices of an earlier run, elsewhere
  $ pnpm --silent test:e2e --json | jq .verdict    for scripts
${EXIT_CODES_HELP}`,
    )
    .action(async (options: RunOptions) => finish(await run(options)));
}

const collect = (id: string, ids: readonly string[] = []): string[] => [...ids, id];

/** Runs the suite, writes all reports, and gives the exit code. */
async function run(options: RunOptions): Promise<number> {
  const wanted = options.case ?? [];
  const cases = selectCases(wanted);
  const seed = options.seed ?? randomInt(SEED_MAX);
  using screen = openScreen(options.json ? process.stderr : process.stdout);
  const { kind, reason } = await chooseEnvironmentKind(options.env);
  // Before the run begins: a server that cannot be had is told once and plainly, not by every case.
  if (kind === 'processes') await prepareServers((detail) => screen.line(screen.paint('dim', detail)));
  const folder = await createRunFolder(options.report);
  screen.line(`Environment: ${kind} (${reason})   profile: ${options.profile}   seed: ${seed}`);

  const originMs = monotonicMs();
  using history = openHistory(folder.historyPath, originMs);
  history.record({
    type: 'run-started',
    runId: folder.runId,
    startedAt: new Date().toISOString(),
    seed,
    profile: options.profile,
    environment: kind,
    command: repeatCommand({ env: kind, seed, profile: options.profile, cases: wanted }),
    selected: cases,
  });
  const context: RunContext = {
    runId: folder.runId,
    originMs,
    seed,
    profile: options.profile,
    environment: kind,
    historyPath: folder.historyPath,
    outputDirectory: folder.directory,
    keep: options.keep ?? false,
    retries: 0,
    cases: [...wanted],
  };
  await writeFile(folder.contextPath, JSON.stringify(context, null, 2));

  const { end, interrupted } = await superviseSuite(folder, originMs, screen);
  history.record({
    type: 'run-finished',
    interrupted: interrupted !== undefined,
    ...(interrupted === undefined ? {} : { reason: interrupted }),
  });
  await rm(folder.contextPath, { force: true });
  return finishRun(folder, {
    history,
    end,
    interrupted: interrupted !== undefined,
    json: options.json ?? false,
    screen,
  });
}

/** Starts the suite and shows what it does, until it ends by itself or is interrupted. */
async function superviseSuite(
  folder: RunFolder,
  originMs: number,
  screen: Screen,
): Promise<{ end: SuiteEnd; interrupted: string | undefined }> {
  const state = emptyState();
  const done = new AbortController();
  const followed = followHistory(
    folder.historyPath,
    (record) => {
      const line = applyRecord(state, record, screen.paint);
      if (line !== undefined) screen.line(line);
    },
    done.signal,
  );
  screen.live(() => liveLines(state, monotonicMs() - originMs, screen.paint));

  await using suite = startSuite({
    arguments: suiteArguments(),
    contextPath: folder.contextPath,
    logPath: join(folder.logDirectory, 'vitest.log'),
  });
  using interrupt = onInterrupt(() => suite.kill());
  const stopped = new Promise<SuiteEnd>((resolve, reject) => {
    interrupt.signal.addEventListener('abort', () => {
      screen.line(screen.paint('yellow', 'Stopping: the report follows. Press Ctrl-C again to kill.'));
      suite.stop().then(resolve, reject);
    });
  });
  const end = await Promise.race([suite.ended, stopped]);
  done.abort();
  await followed;
  screen.clear();
  const interrupted = interrupt.signal.aborted ? describeError(interrupt.signal.reason) : undefined;
  return { end, interrupted };
}

interface RunEnd {
  history: Recorder;
  end: SuiteEnd;
  interrupted: boolean;
  json: boolean;
  screen: Screen;
}

async function finishRun(folder: RunFolder, { history, end, interrupted, json, screen }: RunEnd): Promise<number> {
  const write = (): Promise<RunResult> =>
    writeReports({
      historyPath: folder.historyPath,
      outputDirectory: folder.directory,
      complete: !interrupted,
      requirements: REQUIREMENTS,
    });
  let result = await write();
  const reason = interrupted ? undefined : whyCrashed(end, result);
  if (reason !== undefined) {
    // Into the history too: whoever judges it again must come to the same end. The last such record counts.
    history.record({ type: 'run-finished', interrupted: false, reason });
    result = await write();
  }
  const latest = await pointLatestAt(folder);
  const report = shownPath(join(latest, 'index.html'));
  for (const line of summaryLines(result, { report }, screen.paint)) screen.line(line);
  if (result.exitCode === 5 && end.stderrTail.length > 0) {
    screen.line(`\nLast lines of the test runner (all: ${shownPath(join(folder.logDirectory, 'vitest.log'))}):`);
    for (const line of end.stderrTail) screen.line(screen.paint('dim', `  ${line}`));
  }
  if (json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  return result.exitCode;
}

/** The runner exits with a failure when a case failed; anything else it can say by its exit means that it broke. */
function whyCrashed({ exitCode, signal }: SuiteEnd, result: RunResult): string | undefined {
  if (exitCode === null) return `The test runner was ended by ${signal ?? 'an error'}`;
  if (exitCode === 0 || ![0, 4].includes(result.exitCode)) return undefined;
  return `The test runner exited with ${exitCode} although no case failed`;
}
