import type { HistoryRecord, Visibility } from '../record/history.ts';
import { distributionOf, round, type Span } from './distribution.ts';
import type { HopSeries, LatencySample, LatencySeries } from './result.ts';

/** Sync latency, one sample per watched write, from the moment it was meant to be sent. */
export function buildSamples(records: readonly HistoryRecord[]): LatencySample[] {
  return records
    .filter((record) => record.type === 'visibility')
    .map((sample) => ({
      at: sample.intendedAt,
      case: sample.case ?? null,
      phase: sample.phase,
      kind: sample.kind,
      fileId: sample.fileId,
      lowMs: sample.missAt === null ? null : round(Math.max(0, sample.missAt - sample.intendedAt)),
      highMs: sample.hitAt === null ? null : round(Math.max(0, sample.hitAt - sample.intendedAt)),
      waitedMs: round(Math.max(0, (sample.hitAt ?? sample.at) - sample.intendedAt)),
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
      ...distributionOf(group),
    }))
    .sort((a, b) => (a.case ?? '').localeCompare(b.case ?? '', 'en', { numeric: true }));
}

const HOPS: readonly { from: string; to: string; span: (sample: Visibility) => Span | undefined }[] = [
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
    span: ({ acceptedAt, missAt, hitAt }) => ({
      lowMs: missAt === null ? null : missAt - acceptedAt,
      highMs: hitAt === null ? null : hitAt - acceptedAt,
    }),
  },
];

/** Where the time goes, over all watched writes; hops that the target does not let be seen are absent. */
export function buildHops(records: readonly HistoryRecord[]): HopSeries[] {
  const samples = records.filter((record) => record.type === 'visibility');
  return HOPS.flatMap(({ from, to, span }) => {
    const spans = samples.map(span).filter((each) => each !== undefined);
    return spans.length === 0 ? [] : [{ from, to, ...distributionOf(spans) }];
  });
}

function exactly(ms: number | undefined): Span | undefined {
  return ms === undefined ? undefined : { lowMs: ms, highMs: ms };
}
