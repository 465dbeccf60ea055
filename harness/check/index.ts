/** Pure judgements over a history: nothing here reads a file, a clock or a server. */
export { type Availability, availabilityOf, type Tally, tally } from './availability.ts';
export { hasFinalReads, runCheckers } from './checkers.ts';
export { findDiverged } from './diverged.ts';
export { type FaultWindow, faultWindows, isDuring } from './fault-windows.ts';
export type { Finding } from './finding.ts';
export {
  type Distribution,
  type Interval,
  type LatencyBasis,
  type Quantile,
  quantileOf,
  summarize,
  syncLatency,
  visibilitySamples,
} from './latency.ts';
export { findLost } from './lost.ts';
export { completeOperations, isWrite, type Operation } from './operations.ts';
export { findPhantoms } from './phantom.ts';
export { type Recovery, recoveries } from './recovery.ts';
export { findResurrected } from './resurrected.ts';
export { findStale } from './stale.ts';
export { evaluateThreshold, parseThreshold, type Threshold, type ThresholdResult } from './threshold.ts';
export { exitCodeOf, judgeRun, RUN_VERDICTS, type RunFailure, type RunVerdict, worstVerdict } from './verdict.ts';
