import type { FaultTimes } from './fault-times.ts';

/**
 * Where a watched write belongs by the faults of its case, as they were recorded: `outage` when one was on at any time
 * from when the write was due until it was seen, or given up; `recovery` when one was over so shortly before it was due that
 * it may still have been felt, or was asked for and not seen yet; else `baseline`.
 */
export function phaseOf(
  faults: FaultTimes,
  { intendedAt, hitAt, at }: { intendedAt: number; hitAt: number | null; at: number },
): 'outage' | 'recovery' | 'baseline' {
  if (faults.isOnBetween(intendedAt, hitAt ?? at)) return 'outage';
  return faults.at(intendedAt).near.length > 0 ? 'recovery' : 'baseline';
}
