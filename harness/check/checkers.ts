import type { HistoryRecord } from '../record/history.ts';
import { findDiverged } from './diverged.ts';
import { findDuplicated } from './duplicated.ts';
import type { Finding } from './finding.ts';
import { findLost } from './lost.ts';
import { findPhantoms } from './phantom.ts';
import { findPhantomValues } from './phantom-values.ts';
import { findResurrected } from './resurrected.ts';
import { findStale } from './stale.ts';
import { findVanished } from './vanished.ts';

const CHECKERS = [
  findLost,
  findPhantoms,
  findPhantomValues,
  findResurrected,
  findStale,
  findVanished,
  findDuplicated,
  findDiverged,
];

/**
 * Runs every checker over a history, of one case or of a whole run, now or offline. Pure: the same records give the
 * same findings. No finding means little without final reads, see `requireFinalReads`.
 */
export function runCheckers(records: readonly HistoryRecord[]): Finding[] {
  return CHECKERS.flatMap((find) => find(records));
}
