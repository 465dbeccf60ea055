import {
  type HistoryWriter,
  loadRunContext,
  openHistory,
  RUN_CONTEXT_VARIABLE,
  type RunContext,
  UsageError,
} from '../../harness/index.ts';

/** The run that this worker process belongs to. */
export interface Run {
  context: RunContext;
  history: HistoryWriter;
  /** Aborts when the run is interrupted; everything that waits listens to it. */
  signal: AbortSignal;
}

let opened: Run | undefined;

/**
 * The run of this worker process, opened at the first call: one history descriptor and one set of signal handlers
 * per process, however many suites it runs.
 * @throws UsageError without a run context, which `suites/vitest.config.ts` makes when nobody else did
 */
export function currentRun(): Run {
  if (opened !== undefined) return opened;
  const context = loadRunContext();
  if (context === undefined) throw new UsageError(`Expected ${RUN_CONTEXT_VARIABLE} to name a run context`);
  const history = openHistory(context.historyPath, context.originMs);
  opened = { context, history, signal: interruption() };
  return opened;
}

/** Without handlers a signal would end the worker at once, and leave the cleaning up to the environment's watchdog. */
function interruption(): AbortSignal {
  const controller = new AbortController();
  const interrupt = (reason: string): void => controller.abort(new Error(`interrupted by ${reason}`));
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, () => interrupt(name));
  process.once('disconnect', () => interrupt('the end of the test runner'));
  return controller.signal;
}
