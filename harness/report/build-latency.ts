import {
  faultTimes,
  type Interval,
  NO_FAULTS,
  phaseOf,
  summarize,
  syncLatency,
  visibilitySamples,
} from '../check/index.ts';
import type { HistoryRecord, Visibility } from '../record/history.ts';
import type { HopSeries, LatencySample, LatencySeries } from './result.ts';

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
      // Who writes a soak's load does not know what is broken at the moment.
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
    .map((group) => ({
      case: group[0]?.case ?? null,
      phase: group[0]?.phase ?? '',
      ...summarize(group),
    }))
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
  {
    from: 'accepted',
    to: 'searchable',
    span: (sample) => syncLatency(sample, 'accepted'),
  },
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
