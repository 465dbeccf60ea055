import { faultTimes, NO_FAULTS, type Operation, summarize, tally } from '../check/index.ts';
import type { HistoryRecord } from '../record/history.ts';
import type { OperationSeries } from './result.ts';

/** Latency and availability per kind of operation, calm and under a fault of its own case. */
export function buildOperations(
  records: readonly HistoryRecord[],
  operations: readonly Operation[],
): OperationSeries[] {
  const times = faultTimes(records);
  const groups = Map.groupBy(operations, ({ invoked }) => {
    const { on } = (times.get(invoked.case) ?? NO_FAULTS).at(invoked.intendedAt);
    return `${invoked.kind}|${on.length > 0 ? 'during-fault' : 'steady'}`;
  });
  return [...groups]
    .sort(([a], [b]) => b.localeCompare(a))
    .map(([name, group]) => {
      const [kind = '', scope] = name.split('|');
      const { n, ...counts } = tally(group);
      return {
        kind,
        scope: scope === 'steady' ? ('steady' as const) : ('during-fault' as const),
        ...counts,
        availability: (counts.ok + counts.refused) / n,
        ...summarize(
          group.map(({ invoked, end }) => {
            const tookMs = end === undefined ? null : end.at - invoked.intendedAt;
            // What timed out took at least this long.
            return { lowMs: tookMs ?? 0, highMs: end?.type === 'unknown' ? null : tookMs };
          }),
        ),
      };
    });
}
