import { CASE_KEYS, isSelected, requirementOf } from '../../suites/spec/cases.ts';
import { UsageError } from '../core/errors.ts';

const SUGGESTIONS_MAX = 5;
/** Further apart than this, two ids are no misspelling of each other. */
const DISTANCE_MAX = 3;

/**
 * The keys of the cases that requirement or case ids select; all of them when there are none.
 * @throws UsageError for an id that selects nothing, with those that look like it
 */
export function selectCases(ids: readonly string[]): readonly string[] {
  for (const id of ids) {
    if (CASE_KEYS.some((key) => isSelected(key, [id]))) continue;
    const near = nearMatches(id, [...new Set([...CASE_KEYS.map(requirementOf), ...CASE_KEYS])]);
    const hint = near.length === 0 ? '`syncproof cases` lists them all' : `did you mean ${near.join(', ')}?`;
    throw new UsageError(`Expected --case to be the id of a requirement or case, got ${id}; ${hint}`);
  }
  return CASE_KEYS.filter((key) => isSelected(key, ids));
}

/** Known ids that begin alike or differ by a few letters, the nearest first. */
function nearMatches(wanted: string, known: readonly string[]): string[] {
  const lower = wanted.toLowerCase();
  return known
    .map((id) => {
      const candidate = id.toLowerCase();
      const related = candidate.startsWith(lower) || candidate.startsWith(`${lower.split('/', 1)[0]}/`);
      return {
        id,
        distance: Math.min(editDistance(lower, candidate), related ? DISTANCE_MAX : Number.POSITIVE_INFINITY),
      };
    })
    .filter(({ distance }) => distance <= DISTANCE_MAX)
    .sort((a, b) => a.distance - b.distance)
    .slice(0, SUGGESTIONS_MAX)
    .map(({ id }) => id);
}

/** Levenshtein's distance: single letters to insert, remove or change. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (const [i, letter] of [...a].entries()) {
    const row = [i + 1];
    for (const [j, other] of [...b].entries()) {
      const changed = (previous[j] ?? 0) + (letter === other ? 0 : 1);
      row.push(Math.min((previous[j + 1] ?? 0) + 1, (row[j] ?? 0) + 1, changed));
    }
    previous = row;
  }
  return previous.at(-1) ?? 0;
}
