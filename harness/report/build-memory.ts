import type { HistoryRecord } from '../record/history.ts';
import type { MemoryResult } from './result.ts';

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
