import { rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { REQUIREMENTS, requirementsVersion } from '../../suites/spec/ledger.ts';
import type { RunContext } from '../config/run-context.ts';
import { isGithubActions, packageFacts } from '../config/settings.ts';
import type { Target } from '../config/target.ts';
import type { ProfileName } from '../contract/names.ts';
import { monotonicMs } from '../core/clock.ts';
import { describeError, UnreachableError, UsageError } from '../core/errors.ts';
import type { EnvironmentKind } from '../environment/environment.ts';
import { startExternal } from '../environment/external.ts';
import { prepareServers } from '../environment/servers/prepare.ts';
import type { RunStarted } from '../record/history.ts';
import { openHistory, type Recorder } from '../record/writer.ts';
import { readKillMatrix } from '../report/kill-matrix.ts';
import type { RunResult } from '../report/result.ts';
import { writeReports } from '../report/write.ts';
import { annotations } from './annotations.ts';
import { selectCases } from './cases.ts';
import { EXIT } from './exit-codes.ts';
import { followHistory } from './follow.ts';
import { onInterrupt } from './interrupt.ts';
import { writeJson } from './output.ts';
import { applyRecord, emptyState, liveLines } from './progress.ts';
import { createRunFolder, pointLatestAt, type RunFolder } from './run-folder.ts';
import { openScreen, type Screen, silentScreen } from './screen.ts';
import { type SuiteEnd, startSuite, suiteArguments } from './suite-process.ts';
import { repeatCommand, summaryLines, verdictLine } from './summary.ts';
import { shownPath } from './text.ts';

/** Everything that decides what a run does. */
export interface RunPlan {
  kind: EnvironmentKind;
  /** Why this kind, for people. */
  reason: string;
  profile: ProfileName;
  seed: number;
  /** Requirement or case ids; none means all. */
  wanted: readonly string[];
  target?: Target;
  /** How long the soak lasts, when it is wanted. */
  soak?: NonNullable<RunContext['soak']> & NonNullable<RunStarted['soak']>;
  retries: number;
  allowPartial: boolean;
  reportDirectory: string;
  keep: boolean;
  json: boolean;
  /** Nothing is printed: somebody else tells of it. */
  quiet?: boolean;
}

/** Runs the suite, writes all reports, and gives the exit code. */
export async function conduct(plan: RunPlan): Promise<number> {
  return (await conducted(plan)).exitCode;
}

/** The same, and gives the result. */
export async function conducted(plan: RunPlan): Promise<RunResult> {
  const { kind, target, seed, profile, wanted, json } = plan;
  const cases = selectCases(wanted);
  using screen = plan.quiet ? silentScreen() : openScreen(json ? process.stderr : process.stdout);
  // Before the run begins: a server that cannot be had is told once and plainly, not by every case.
  if (kind === 'processes') await prepareServers((detail) => screen.line(screen.paint('dim', detail)));
  const folder = await createRunFolder(plan.reportDirectory);
  const what =
    target === undefined ? `${kind} (${plan.reason})   profile: ${profile}` : `${target.name} (${plan.reason})`;
  screen.line(`Environment: ${what}   seed: ${seed}`);

  const originMs = monotonicMs();
  using history = openHistory(folder.historyPath, originMs);
  history.record({
    type: 'run-started',
    runId: folder.runId,
    startedAt: new Date().toISOString(),
    seed,
    profile,
    environment: kind,
    command: repeatCommand({ ...plan, env: kind, cases: wanted, target: target?.file }),
    selected: cases,
    suiteVersion: packageFacts().version,
    requirementsVersion: requirementsVersion(),
    retries: plan.retries,
    allowPartial: plan.allowPartial,
    ...(plan.soak === undefined ? {} : { soak: soakFacts(plan.soak) }),
    ...(target === undefined ? {} : { target: targetFacts(target) }),
  });
  if (target !== undefined) {
    const result = await refuseBadTarget(target, { plan, folder, history, screen });
    if (result !== undefined) return result;
  }
  const context: RunContext = {
    runId: folder.runId,
    originMs,
    seed,
    profile,
    environment: kind,
    ...(target === undefined ? {} : { target: target.file }),
    retries: plan.retries,
    historyPath: folder.historyPath,
    outputDirectory: folder.directory,
    keep: plan.keep,
    cases: [...wanted],
    ...(plan.soak === undefined ? {} : { soak: plan.soak }),
  };
  await writeFile(folder.contextPath, JSON.stringify(context, null, 2));

  const { end, interrupted } = await superviseSuite(folder, originMs, screen);
  history.record({
    type: 'run-finished',
    interrupted: interrupted !== undefined,
    ...(interrupted === undefined ? {} : { reason: interrupted }),
  });
  await rm(folder.contextPath, { force: true });
  return finishRun(folder, { history, end, interrupted: interrupted !== undefined, json, screen });
}

function soakFacts({ seconds, ratePerSecond, planFile }: NonNullable<RunPlan['soak']>): RunStarted['soak'] {
  return { seconds, ratePerSecond, ...(planFile === undefined ? {} : { planFile }) };
}

function targetFacts({ name, version, file }: Target): { name: string; version?: string; file: string } {
  return { name, ...(version === undefined ? {} : { version }), file: shownPath(file) };
}

/** Asks the target once before the cases do: what is wrong with it or its file is then said once, with a report. */
async function refuseBadTarget(
  target: Target,
  { plan, folder, history, screen }: { plan: RunPlan; folder: RunFolder; history: Recorder; screen: Screen },
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
      ...(signal.aborted ? {} : { failure: { kind, reason } }),
      requirements: REQUIREMENTS,
    });
    const latest = await pointLatestAt(folder);
    screen.line(verdictLine(result, screen.paint));
    screen.line(`Report:  ${shownPath(join(latest, 'index.html'))}`);
    if (plan.json) writeJson(result);
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
  const left = end.cutOff ? '; not all that was broken has been put back: see to the pipeline' : '';
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
      ...(killMatrix === undefined ? {} : { killMatrix }),
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
  if (result.exitCode === EXIT.harnessError && end.stderrTail.length > 0) {
    screen.line(`\nLast lines of the test runner (all: ${shownPath(join(folder.logDirectory, 'vitest.log'))}):`);
    for (const line of end.stderrTail) screen.line(screen.paint('dim', `  ${line}`));
  }
  if (isGithubActions()) for (const line of annotations(result)) screen.line(line);
  if (json) writeJson(result);
  return result;
}

/** The runner exits with a failure when a case failed; anything else it can say by its exit means that it broke. */
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
