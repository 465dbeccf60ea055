/** The public door for suites: what a case needs to start a pipeline, use it, break it and judge it. */
export { type Finding, runCheckers } from './check/index.ts';
export { quantileOf, summarize, syncLatency, visibilitySamples } from './check/latency.ts';
export { evaluateThreshold, parseThreshold } from './check/threshold.ts';
export * from './clients/pipeline.ts';
export { connectPostgres } from './clients/postgres.ts';
export { connectRedis } from './clients/redis.ts';
export { loadRunContext, RUN_CONTEXT_VARIABLE, type RunContext, runContextSchema } from './config/run-context.ts';
export { monotonicMs } from './core/clock.ts';
export {
  DeadlineError,
  describeError,
  InconclusiveError,
  SyncproofError,
  UnreachableError,
  UsageError,
} from './core/errors.ts';
export { pollUntil } from './core/poll.ts';
export { type Random, seededRandom } from './core/random.ts';
export type { Environment, EnvironmentOptions, PartControl } from './environment/environment.ts';
export { startEnvironment } from './environment/start.ts';
export type { Fault } from './faults/fault.ts';
export { createFaults, type Faults } from './faults/faults.ts';
export * from './probes/hops.ts';
export { hopSource } from './probes/hops.ts';
export * from './probes/readiness.ts';
export { awaitReadiness, cacheOf } from './probes/readiness.ts';
export * from './probes/stream.ts';
export { awaitDrained, groupState, pendingCount, streamState } from './probes/stream.ts';
export * from './probes/visibility.ts';
export { VisibilityTracker } from './probes/visibility.ts';
export type { CaseFinished, HistoryRecord, NewRecord, PartName, Verdict } from './record/history.ts';
export { type HistoryWriter, memoryRecorder, openHistory, type Recorder, readHistory } from './record/writer.ts';
export { finalReads } from './scenario/final-reads.ts';
export * from './scenario/floor.ts';
export * from './scenario/load.ts';
export { startOpenLoop } from './scenario/load.ts';
export * from './scenario/outage.ts';
export { type OutagePlan, type OutageResult, runOutage } from './scenario/outage.ts';
export * from './scenario/sync-load.ts';
export { runSyncLoad, type SyncLoadResult } from './scenario/sync-load.ts';
