import { type FaultWindow, isDuring, type Operation, summarize, tally } from '../check/index.ts';
import type { OperationSeries } from './result.ts';

/** Latency and availability per kind of operation, calm and under a fault. */
export function buildOperations(operations: readonly Operation[], windows: readonly FaultWindow[]): OperationSeries[] {
  const byCase = Map.groupBy(windows, (window) => window.case);
  const groups = Map.groupBy(operations, (operation) => {
    const faulty = (byCase.get(operation.invoked.case) ?? []).some((window) => isDuring(operation, window));
    return `${operation.invoked.kind}|${faulty ? 'during-fault' : 'steady'}`;
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
