import { randomBytes } from 'node:crypto';
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { estimatedSeconds, planWorkers } from '../../suites/ledger/ledger.ts';
import { caseByKey, REQUIREMENTS, requirementsVersion } from '../../suites/requirements.ts';
import { type SuiteEnd, startSuite, suiteArguments } from '../../suites/runner/process.ts';
import { type RunContext, type RunPlan, WORKERS } from '../config/run-plan.ts';
import { isGithubActions, packageFacts } from '../config/settings.ts';
import { loadTarget, type Target } from '../config/target.ts';
import { describeError, UnreachableError, UsageError } from '../core/errors.ts';
import { onInterrupt } from '../core/interrupt.ts';
import { milliseconds, shownPath } from '../core/text.ts';
import { monotonicMs } from '../core/time.ts';
import { startExternal } from '../environment/external/environment.ts';
import { prepareServers } from '../environment/start.ts';
import { openHistory, type Recorder } from '../record/writer.ts';
import type { RunResult } from '../report/result.ts';
import { readKillMatrix, writeReports } from '../report/write.ts';
import { selectCases } from './cases.ts';
import { EXIT, openScreen, type Screen, silentScreen, writeJson } from './output.ts';
import { applyRecord, emptyState, followHistory, liveLines } from './progress.ts';
import { annotations, repeatCommand, summaryLines, verdictLine } from './summary.ts';

/** Where a run writes to: `<report directory>/<run id>/`. */
export interface RunFolder {
  runId: string;
  directory: string;
  historyPath: string;
  contextPath: string;
  logDirectory: string;
}

/** Makes the folder of a new run; its id sorts by time and is unique. */
export async function createRunFolder(reportDirectory: string, now = new Date()): Promise<RunFolder> {
  const time = now.toISOString().slice(0, 19).replaceAll(':', '-');
  const runId = `${time}-${randomBytes(2).toString('hex')}`;
  const directory = resolve(reportDirectory, runId);
  const logDirectory = join(directory, 'logs');
  await mkdir(logDirectory, { recursive: true }).catch((cause) => {
    throw new UsageError(`Expected --report to be a folder that can be written to, got ${reportDirectory}`, { cause });
  });
  return {
    runId,
    directory,
    logDirectory,
    historyPath: join(directory, 'history.jsonl'),
    contextPath: join(directory, 'run-context.json'),
  };
}

/** Points `<report directory>/latest` to the run in one step, so that a reader never finds it missing. */
export async function pointLatestAt(folder: RunFolder): Promise<string> {
  const parent = resolve(folder.directory, '..');
  const latest = join(parent, 'latest');
  const fresh = join(parent, `.latest-${folder.runId}`);
  await symlink(basename(folder.directory), fresh);
  try {
    await rename(fresh, latest);
  } catch (error) {
    await rm(fresh, { force: true });
    throw error;
  }
  return latest;
}

/** Where a run's reports go, and what is printed of it. */
export interface RunOutput {
  reportDirectory: string;
  json?: boolean;
  /** Nothing is printed: the caller of the run reports it. */
  quiet?: boolean;
}

/** Runs the suite, writes all reports, and gives the exit code. */
export async function executeRun(plan: RunPlan, output: RunOutput): Promise<number> {
  return (await runResult(plan, output)).exitCode;
}

/** The same, and gives the result. */
export async function runResult(plan: RunPlan, output: RunOutput): Promise<RunResult> {
  const { json = false, quiet = false } = output;
  const target = plan.target === undefined ? undefined : loadTarget(plan.target);
  const selected = selectCases(plan.cases);
  const workers = planWorkers(selected.map(caseByKey), WORKERS[plan.environment]);
  using screen = quiet ? silentScreen() : openScreen(json ? process.stderr : process.stdout);
  // Before the run begins: an unavailable server is reported once and plainly, not by every case.
  if (plan.environment === 'processes') await prepareServers((detail) => screen.line(screen.paint('dim', detail)));
  const folder = await createRunFolder(output.reportDirectory);
  screen.line(`Environment: ${environmentText(plan, target)}   seed: ${plan.seed}`);
  const lastsMs = (plan.soak?.seconds ?? estimatedSeconds(workers)) * 1000;
  screen.line(`Cases:       ${selected.length}, about ${milliseconds(lastsMs)}`);

  const originMs = monotonicMs();
  using history = openHistory(folder.historyPath, originMs);
  history.record({
    type: 'run-started',
    runId: folder.runId,
    startedAt: new Date().toISOString(),
    plan,
    command: repeatCommand(plan),
    selected,
    suiteVersion: packageFacts().version,
    requirementsVersion: requirementsVersion(),
    target: target && { name: target.name, version: target.version, file: shownPath(target.file) },
  });
  if (target !== undefined) {
    const result = await refuseBadTarget(target, { plan, json, folder, history, screen });
    if (result !== undefined) return result;
  }
  const context: RunContext = {
    plan,
    workers,
    runId: folder.runId,
    originMs,
    historyPath: folder.historyPath,
    outputDirectory: folder.directory,
  };
  await writeFile(folder.contextPath, JSON.stringify(context, null, 2));

  const { end, interrupted } = await superviseSuite(folder, originMs, screen);
  history.record({ type: 'run-finished', interrupted: interrupted !== undefined, reason: interrupted });
  await rm(folder.contextPath, { force: true });
  return finishRun(folder, { history, end, interrupted: interrupted !== undefined, json, screen });
}

function environmentText({ environment, reason, profile }: RunPlan, target: Target | undefined): string {
  return target === undefined ? `${environment} (${reason})   profile: ${profile}` : `${target.name} (${reason})`;
}

interface RefusalContext {
  plan: RunPlan;
  json: boolean;
  folder: RunFolder;
  history: Recorder;
  screen: Screen;
}

/** Checks the target once before the cases do: what is wrong with it or its file is then reported once. */
async function refuseBadTarget(
  target: Target,
  { plan, json, folder, history, screen }: RefusalContext,
): Promise<RunResult | undefined> {
  // What follows the first Ctrl-C takes no time that a second one could cut short.
  using interrupt = onInterrupt(() => {});
  const { signal } = interrupt;
  try {
    await using _environment = await startExternal({
      kind: 'external',
      profile: plan.profile,
      recorder: history,
      target,
      signal,
    });
    return undefined;
  } catch (error) {
    const isRefused = error instanceof UnreachableError || error instanceof UsageError;
    if (!isRefused && !signal.aborted) throw error;
    const reason = describeError(signal.aborted ? signal.reason : error);
    history.record({ type: 'run-finished', interrupted: signal.aborted, reason });
    const kind = error instanceof UnreachableError ? 'unreachable' : 'wrong-target';
    const result = await writeReports({
      historyPath: folder.historyPath,
      outputDirectory: folder.directory,
      complete: false,
      failure: signal.aborted ? undefined : { kind, reason },
      requirements: REQUIREMENTS,
    });
    const latest = await pointLatestAt(folder);
    screen.line(verdictLine(result, screen.paint));
    screen.line(`Report:  ${shownPath(join(latest, 'index.html'))}`);
    if (json) writeJson(result);
    return result;
  }
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
  if (!interrupt.signal.aborted) return { end, interrupted: undefined };
  const left = end.cutOff ? '; not all faults could be undone: check the pipeline' : '';
  return { end, interrupted: describeError(interrupt.signal.reason) + left };
}

interface RunEnd {
  history: Recorder;
  end: SuiteEnd;
  interrupted: boolean;
  json: boolean;
  screen: Screen;
}

async function finishRun(folder: RunFolder, { history, end, interrupted, json, screen }: RunEnd): Promise<RunResult> {
  const killMatrix = await readKillMatrix(dirname(folder.directory), requirementsVersion());
  const write = (): Promise<RunResult> =>
    writeReports({
      historyPath: folder.historyPath,
      outputDirectory: folder.directory,
      complete: !interrupted,
      requirements: REQUIREMENTS,
      killMatrix,
    });
  let result = await write();
  const reason = interrupted ? undefined : whyCrashed(end, result);
  if (reason !== undefined) {
    // Into the history too: judging it again must give the same verdict. The last such record counts.
    history.record({ type: 'run-finished', interrupted: false, reason });
    result = await write();
  }
  const latest = await pointLatestAt(folder);
  const report = shownPath(join(latest, 'index.html'));
  for (const line of summaryLines(result, { report }, screen.paint)) screen.line(line);
  if (result.exitCode === EXIT.harnessError && end.stderrTail.length > 0) {
    screen.line(`\nLast lines of the test runner (all: ${shownPath(join(folder.logDirectory, 'vitest.log'))}):`);
    for (const line of end.stderrTail) screen.line(screen.paint('dim', `  ${line}`));
  }
  if (isGithubActions()) for (const line of annotations(result)) screen.line(line);
  if (json) writeJson(result);
  return result;
}

/** The runner exits with a failure when a case failed; any other exit means that it broke. */
function whyCrashed({ exitCode, signal }: SuiteEnd, result: RunResult): string | undefined {
  if (exitCode === null) return `The test runner was ended by ${signal ?? 'an error'}`;
  if (exitCode === 0 || !result.counts.cases.pass || !everyCaseWell(result)) return undefined;
  return `The test runner exited with ${exitCode} although no case failed`;
}

function everyCaseWell({ counts: { cases }, exitCode }: RunResult): boolean {
  const { pass, skip, xfail, ...others } = cases;
  return (
    Object.values(others).every((count) => count === 0) && exitCode !== EXIT.harnessError && pass + skip + xfail > 0
  );
}
