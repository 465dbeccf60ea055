export { hasFinalReads, runCheckers } from './checkers.ts';
export { findDiverged } from './diverged.ts';
export type { Finding } from './finding.ts';
export { findLost } from './lost.ts';
export { findPhantoms } from './phantom.ts';
export { findResurrected } from './resurrected.ts';
export { findStale } from './stale.ts';
