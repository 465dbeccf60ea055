import type { HistoryRecord } from '../record/history.ts';
import { fileHistories } from './file-history.ts';
import type { Finding } from './finding.ts';
import { mayHaveHappened } from './operations.ts';
import { isRefusedAsExisting } from './refusal.ts';
import { searchesOf } from './searches.ts';

/**
 * Guarantee: what was refused does not exist. Finds ids whose every registration in this history was certainly refused,
 * and that a later read (by id, of the registry, or a search) shows all the same.
 *
 * Cases share environments, so ids that this history never registered are no phantoms: another case may have made
 * them. Neither are ids that were refused because they exist, or that were seen before they were registered here.
 */
export function findPhantoms(records: readonly HistoryRecord[]): Finding[] {
  const { listing } = searchesOf(records);
  return fileHistories(records).flatMap(({ fileId, creates, reads, registryReads }) => {
    const refusedAt = creates[0]?.invoked.at;
    if (refusedAt === undefined || creates.some((create) => mayHaveHappened(create) || isRefusedAsExisting(create)))
      return [];
    const seen = [
      ...reads.filter(({ found }) => found).map(({ endedAt }) => ({ how: 'a read by id', at: endedAt })),
      ...registryReads.filter(({ found }) => found).map(({ endedAt }) => ({ how: 'the registry', at: endedAt })),
      ...(listing.get(fileId) ?? []).map(({ endedAt }) => ({ how: 'a search', at: endedAt })),
    ];
    const [first] = seen.toSorted((a, b) => a.at - b.at);
    if (first === undefined || first.at < refusedAt) return [];
    const answer = creates[0]?.end?.status ?? 'a refused connection';
    const message = `its registration was refused (${answer}), yet ${first.how} shows it at ${Math.round(first.at)} ms`;
    return [{ checker: 'phantom', fileId, message }];
  });
}
