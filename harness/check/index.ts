/** Pure judgements over a history: nothing here reads a file, a clock or a server. */
export { availabilityOf, tally } from './availability.ts';
export { runCheckers } from './checkers.ts';
export { FaultTimes, faultTimes, NO_FAULTS } from './fault-times.ts';
export { faultWindows } from './fault-windows.ts';
export { unmetFloor } from './floor.ts';
export { type Interval, quantileOf, summarize, syncLatency, visibilitySamples } from './latency.ts';
export { completeOperations, isWrite, type Operation } from './operations.ts';
export { HistoryPartition, PARTS_MAX } from './partition.ts';
export { phaseOf } from './phases.ts';
export { type Recovery, recoveries } from './recovery.ts';
export { evaluateThreshold, parseThreshold } from './threshold.ts';
export { missingFinalReads, requireFinalReads, unreadFiles } from './unread.ts';
export { exitCodeOf, judgeRun, RUN_VERDICTS, type RunFailure, worstVerdict } from './verdict.ts';
