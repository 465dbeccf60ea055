import type { HistoryRecord } from '../record/history.ts';
import { findDiverged } from './diverged.ts';
import { fileHistories, finalOf } from './file-history.ts';
import type { Finding } from './finding.ts';
import { findLost } from './lost.ts';
import { findPhantoms } from './phantom.ts';
import { findResurrected } from './resurrected.ts';
import { findStale } from './stale.ts';

const CHECKERS = [findLost, findPhantoms, findResurrected, findStale, findDiverged];

/**
 * Runs every checker over a history, of one case or of a whole run, now or offline. Pure: the same records give the
 * same findings. No finding means little without final reads, see `hasFinalReads`.
 */
export function runCheckers(records: readonly HistoryRecord[]): Finding[] {
  return CHECKERS.flatMap((find) => find(records));
}

/** True when a final read by id was answered: without one nothing can be found lost, and silence is no pass. */
export function hasFinalReads(records: readonly HistoryRecord[]): boolean {
  return fileHistories(records).some(({ reads }) => finalOf(reads) !== undefined);
}
