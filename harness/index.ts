/** The public door for suites: what a case needs to start a pipeline, use it, break it and judge it. */
export { missingFinalReads, requireFinalReads, runCheckers, unmetFloor } from './check/index.ts';
export { type Interval, quantileOf, summarize, syncLatency, visibilitySamples } from './check/latency.ts';
export { microsecondsOf } from './check/operations.ts';
export { evaluateThreshold, parseThreshold } from './check/threshold.ts';
export { cacheOf, createPipelineClient, type PipelineClient, type UploadInput } from './clients/pipeline.ts';
export { connectPostgres, connectRedis } from './clients/servers.ts';
export { multipartBody } from './clients/transport.ts';
export {
  isBeingStopped,
  loadRunContext,
  type PlannedWorker,
  RUN_CONTEXT_VARIABLE,
  type RunContext,
} from './config/run-plan.ts';
export { nodeArguments } from './config/settings.ts';
export { type ExpectedFailure, loadTarget, type Target } from './config/target.ts';
export {
  DeadlineError,
  describeError,
  errorsIn,
  InconclusiveError,
  NotNowError,
  NotRestartedError,
  UnreachableError,
  UsageError,
} from './core/errors.ts';
export { type Random, seededRandom } from './core/random.ts';
export { withoutSecrets } from './core/text.ts';
export { monotonicMs, type PollOptions, pollUntil } from './core/time.ts';
export {
  type Environment,
  type EnvironmentOptions,
  type Instance,
  isOwn,
  type OwnEnvironment,
} from './environment/common/environment.ts';
export { offersOf } from './environment/external/offers.ts';
export { ownOffers } from './environment/own/own.ts';
export { writeStackHelp } from './environment/stack-help.ts';
export { startEnvironment } from './environment/start.ts';
export { type Fault, ORDERLY_END_MS } from './faults/fault.ts';
export { createFaults, type Faults } from './faults/faults.ts';
export { copyDataset, type Dataset, loadDataset } from './faults/redis-data.ts';
export type { RedisError } from './faults/redis-errors.ts';
export type { Broken, CaseStarted, HistoryRecord, PartName, Verdict } from './record/history.ts';
export { type HistoryWriter, memoryRecorder, openHistory, type Recorder, readHistory } from './record/writer.ts';
export { checkFile } from './report/check-file.ts';
export { measureFloor } from './workload/bench.ts';
export { finalReads } from './workload/convergence.ts';
export { runSyncLoad, type SyncLoad, startOpenLoop } from './workload/load.ts';
export { watchMemory } from './workload/memory.ts';
export { type OutageResult, runOutage } from './workload/outage.ts';
export type { OutagePhase } from './workload/outage-traffic.ts';
export {
  awaitDrained,
  consumerStates,
  groupState,
  hopSource,
  pendingCount,
  pendingEntries,
} from './workload/stream.ts';
export { awaitReadiness, VisibilityTracker } from './workload/visibility.ts';
