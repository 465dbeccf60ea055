import {
  faultTimes,
  type Interval,
  NO_FAULTS,
  type Operation,
  phaseOf,
  summarize,
  syncLatency,
  tally,
  visibilitySamples,
} from '../check/index.ts';
import type { HistoryRecord, Visibility } from '../record/history.ts';
import type { HopSeries, LatencySample, LatencySeries, MemoryResult, OperationSeries } from './result.ts';

/**
 * Sync latency, one sample per watched write, from the moment it was meant to be sent. Phases of a soak follow from the
 * times of its faults.
 */
export function buildSamples(records: readonly HistoryRecord[]): LatencySample[] {
  const times = faultTimes(records);
  const soaks = new Set(records.flatMap((record) => (record.type === 'soak-planned' ? [record.case] : [])));
  return visibilitySamples(records)
    .map((sample) => ({
      at: sample.intendedAt,
      case: sample.case ?? null,
      // The load of a soak does not know which faults are active.
      phase: soaks.has(sample.case) ? phaseOf(times.get(sample.case) ?? NO_FAULTS, sample) : sample.phase,
      kind: sample.kind,
      fileId: sample.fileId,
      ...syncLatency(sample, 'intended'),
      waitedMs: Math.round(Math.max(0, (sample.hitAt ?? sample.at) - sample.intendedAt) * 1000) / 1000,
    }))
    .sort((a, b) => a.at - b.at);
}

/** Percentiles per case and phase. */
export function buildSeries(samples: readonly LatencySample[]): LatencySeries[] {
  const groups = Map.groupBy(samples, (sample) => JSON.stringify([sample.case, sample.phase]));
  return [...groups.values()]
    .map((group) => ({ case: group[0]?.case ?? null, phase: group[0]?.phase ?? '', ...summarize(group) }))
    .sort((a, b) => (a.case ?? '').localeCompare(b.case ?? '', 'en', { numeric: true }));
}

const HOPS: readonly { from: string; to: string; span: (sample: Visibility) => Interval | undefined }[] = [
  { from: 'intended', to: 'accepted', span: (sample) => exactly(sample.acceptedAt - sample.intendedAt) },
  { from: 'accepted', to: 'published (XADD)', span: (sample) => exactly(sample.hops?.xadd) },
  { from: 'accepted', to: 'row committed', span: (sample) => exactly(sample.hops?.rowCommitted) },
  {
    from: 'published (XADD)',
    to: 'row committed',
    span: ({ hops }) =>
      hops?.xadd === undefined || hops.rowCommitted === undefined ? undefined : exactly(hops.rowCommitted - hops.xadd),
  },
  { from: 'accepted', to: 'searchable', span: (sample) => syncLatency(sample, 'accepted') },
];

/** Where the time goes, over all watched writes; hops that the target does not let be seen are absent. */
export function buildHops(records: readonly HistoryRecord[]): HopSeries[] {
  const samples = visibilitySamples(records);
  return HOPS.flatMap(({ from, to, span }) => {
    const intervals = samples.map(span).filter((each) => each !== undefined);
    return intervals.length === 0 ? [] : [{ from, to, ...summarize(intervals) }];
  });
}

function exactly(ms: number | undefined): Interval | undefined {
  return ms === undefined ? undefined : { lowMs: ms, highMs: ms };
}

/** Of each part and case how much memory it had at first, at most and at last. */
export function buildMemory(records: readonly HistoryRecord[]): MemoryResult[] {
  const results = new Map<string, MemoryResult>();
  for (const record of records) {
    if (record.type !== 'memory') continue;
    const { at, case: key = null, bytes } = record;
    for (const [part, size] of Object.entries(bytes)) {
      const id = JSON.stringify([key, part]);
      const so = results.get(id) ?? {
        case: key,
        part,
        samples: 0,
        startBytes: size,
        mostBytes: 0,
        mostAt: at,
        endBytes: 0,
      };
      so.samples++;
      so.endBytes = size;
      if (size > so.mostBytes) Object.assign(so, { mostBytes: size, mostAt: at });
      results.set(id, so);
    }
  }
  const rank = ({ part }: MemoryResult): string => `${ORDER.indexOf(part.split('-')[0] ?? '')} ${part}`;
  return [...results.values()].sort(
    (a, b) => (a.case ?? '').localeCompare(b.case ?? '') || rank(a).localeCompare(rank(b)),
  );
}

/** Servers, then services in the order of the pipeline, each with its further instances. */
const ORDER = ['redis', 'postgres', 'ingester', 'storage', 'admin', 'query', 'runner'];

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
