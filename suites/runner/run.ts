import type { Capability } from '../../harness/config/capabilities.ts';
import {
  type HistoryWriter,
  isBeingStopped,
  loadRunContext,
  loadTarget,
  offersOf,
  openHistory,
  ownOffers,
  RUN_CONTEXT_VARIABLE,
  type RunContext,
  type Target,
  UsageError,
} from '../../harness/index.ts';
import { PROFILES } from '../../services/contract/names.ts';

/** The run that this worker process belongs to. */
export interface Run {
  context: RunContext;
  /** The pipeline that is judged, where the harness does not own it. */
  target: Target | undefined;
  /** What the pipeline that is judged offers to cases. */
  capabilities: ReadonlySet<Capability>;
  /** How much longer than the reference a pipeline may take by its own settings, in ms: cases have that much more time. */
  patienceMs: number;
  history: HistoryWriter;
  /** Aborts when the run is interrupted; everything that waits listens to it. */
  signal: AbortSignal;
}

/** The reference's own REDIS_PENDING_RETRY_MS, which the cases' times are made for. */
const REFERENCE_RETRY_MS = 10_000;

let opened: Run | undefined;

/**
 * The run of this worker process, opened at the first call: one history descriptor and one set of signal handlers
 * per process, however many suites it runs.
 * @throws UsageError without a run context
 */
export function currentRun(): Run {
  if (opened !== undefined) return opened;
  const context = loadRunContext();
  if (context === undefined) throw new UsageError(`Expected ${RUN_CONTEXT_VARIABLE} to name a run context`);
  const history = openHistory(context.historyPath, context.originMs);
  const { plan } = context;
  const target = plan.target === undefined ? undefined : loadTarget(plan.target);
  const capabilities = target === undefined ? ownOffers(plan.environment) : offersOf(target);
  const retryMs = target?.limits.pending_retry_ms ?? Number(PROFILES[plan.profile].REDIS_PENDING_RETRY_MS ?? 0);
  const patienceMs = 2 * Math.max(0, retryMs - REFERENCE_RETRY_MS);
  opened = { context, target, capabilities, patienceMs, history, signal: interruption() };
  return opened;
}

/** Without handlers a signal would end the worker at once, and leave the cleaning up to the environment's watchdog. */
function interruption(): AbortSignal {
  const controller = new AbortController();
  const interrupt = (reason: string): void => controller.abort(new Error(`interrupted by ${reason}`));
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, () => interrupt(name));
  // It was begun after the others were told.
  if (isBeingStopped()) interrupt('SIGINT');
  process.once('disconnect', () => interrupt('the end of the test runner'));
  return controller.signal;
}
