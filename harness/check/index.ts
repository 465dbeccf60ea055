/** Pure judgements over a history: nothing here reads a file, a clock or a server. */

export {
  HistoryPartition,
  missingFinalReads,
  PARTS_MAX,
  requireFinalReads,
  runCheckers,
  unreadFiles,
} from './checkers.ts';
export { availabilityOf, FaultTimes, faultTimes, faultWindows, NO_FAULTS, phaseOf, tally } from './fault-times.ts';
export { type Interval, quantileOf, summarize, syncLatency, visibilitySamples } from './latency.ts';
export { completeOperations, isWrite, type Operation } from './operations.ts';
export { type Recovery, recoveries } from './recovery.ts';
export { evaluateThreshold, parseThreshold } from './threshold.ts';
export { exitCodeOf, judgeRun, RUN_VERDICTS, type RunFailure, unmetFloor, worstVerdict } from './verdict.ts';
