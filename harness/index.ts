/** The public door for suites: what a case needs to start a pipeline, use it, break it and judge it. */
export { missingFinalReads, requireFinalReads, runCheckers, unmetFloor } from './check/index.ts';
export { microsecondsOf } from './check/instant.ts';
export { type Interval, quantileOf, summarize, syncLatency, visibilitySamples } from './check/latency.ts';
export { evaluateThreshold, parseThreshold } from './check/threshold.ts';
export { multipartBody } from './clients/multipart.ts';
export { createPipelineClient, type PipelineClient, type UploadInput } from './clients/pipeline.ts';
export { connectPostgres } from './clients/postgres.ts';
export { connectRedis } from './clients/redis.ts';
export { isBeingStopped, loadRunContext, RUN_CONTEXT_VARIABLE, type RunContext } from './config/run-context.ts';
export { nodeArguments } from './config/settings.ts';
export { type ExpectedFailure, loadTarget, type Target } from './config/target.ts';
export { monotonicMs } from './core/clock.ts';
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
export { pollUntil } from './core/poll.ts';
export { type Random, seededRandom } from './core/random.ts';
export {
  type Environment,
  type EnvironmentOptions,
  type Instance,
  isOwn,
  type OwnEnvironment,
} from './environment/environment.ts';
export { offersOf } from './environment/external/offers.ts';
export { ownOffers } from './environment/own-offers.ts';
export { writeStackHelp } from './environment/stack-help.ts';
export { startEnvironment } from './environment/start.ts';
export { type Fault, ORDERLY_END_MS } from './faults/fault.ts';
export { createFaults, type Faults } from './faults/faults.ts';
export { copyDataset, type Dataset, loadDataset } from './faults/redis-dataset.ts';
export type { RedisError } from './faults/redis-errors.ts';
export { hopSource } from './probes/hops.ts';
export { awaitReadiness, cacheOf } from './probes/readiness.ts';
export {
  awaitDrained,
  consumerStates,
  groupState,
  pendingCount,
  pendingEntries,
} from './probes/stream.ts';
export { VisibilityTracker } from './probes/visibility.ts';
export type { Broken, HistoryRecord, PartName, Verdict } from './record/history.ts';
export { type HistoryWriter, memoryRecorder, openHistory, type Recorder, readHistory } from './record/writer.ts';
export { checkFile } from './report/check-file.ts';
export { finalReads } from './scenario/final-reads.ts';
export { measureFloor } from './scenario/floor.ts';
export { startOpenLoop } from './scenario/load.ts';
export { watchMemory } from './scenario/memory.ts';
export { type OutageResult, runOutage } from './scenario/outage.ts';
export type { OutagePhase } from './scenario/outage-changes.ts';
export { runSyncLoad, type SyncLoad } from './scenario/sync-load.ts';
