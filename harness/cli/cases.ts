import { isMeant, isSelected, type KeyedCase, requirementOf } from '../../suites/ledger/ledger.ts';
import type { Level, Tier } from '../../suites/ledger/requirement.ts';
import { CASE_KEYS, CASES } from '../../suites/requirements.ts';
import { soakFaults } from '../../suites/soak/requirements.ts';
import { accessKindOf } from '../config/capabilities.ts';
import type { ExpectedFailure, Target } from '../config/target.ts';
import { UsageError } from '../core/errors.ts';

const SUGGESTIONS_MAX = 5;
/** Further apart than this, two ids are no misspelling of each other. */
const DISTANCE_MAX = 3;

/** What narrows a selection of cases; nothing means all. */
export interface CaseFilter {
  /** Requirement or case ids, or globs of them. */
  ids?: readonly string[];
  tiers?: readonly Tier[];
  levels?: readonly Level[];
  /** Capabilities, or kinds of access: a case that needs one of them. */
  needs?: readonly string[];
  /** Without ids, also those that run only when they are asked for by id. */
  onDemand?: boolean;
}

/**
 * The cases that pass the whole filter, in the ledger's order.
 * @throws UsageError when nothing does, and for an id that selects nothing, with those that look like it
 */
export function filterCases(filter: CaseFilter): KeyedCase[] {
  const { ids = [], tiers = [], levels = [], needs = [], onDemand = false } = filter;
  for (const id of ids) requireKnown(id);
  const among = (wanted: readonly string[], has: readonly string[]): boolean =>
    wanted.length === 0 || has.some((each) => wanted.includes(each));
  const found = CASES.filter(
    (each) =>
      ((onDemand && ids.length === 0) || isSelected(each, ids)) &&
      among(tiers, [each.requirement.tier]) &&
      among(levels, [each.requirement.level]) &&
      among(needs, ['http', ...each.needs, ...each.needs.map(accessKindOf)]),
  );
  if (found.length === 0)
    throw new UsageError(`Nothing is selected: no case passes all of these filters${whatWas(ids)}`);
  return found;
}

/** What the named ones are, so that the user sees which filter excluded them. */
function whatWas(ids: readonly string[]): string {
  if (ids.length === 0) return '';
  const named = CASES.filter((entry) => isSelected(entry, ids)).slice(0, SUGGESTIONS_MAX);
  const facts = named.map(
    ({ key, requirement: { tier, level }, needs }) =>
      `${key} is ${tier}, ${level}, needs ${['http', ...needs].join(', ')}`,
  );
  return `: ${facts.join('; ')}`;
}

/** The keys of the cases that requirement or case ids select; all of them when there are none. */
export function selectCases(ids: readonly string[]): readonly string[] {
  return filterCases({ ids }).map(({ key }) => key);
}

/** What a target file says of the failure that it expects of a case. */
export function expectedFailureOf(key: string, { xfail }: Target): ExpectedFailure | undefined {
  return xfail.find(({ requirement }) => isMeant(key, requirement));
}

/** @throws UsageError where a target file expects the failure of what does not exist: it would be ignored silently */
export function requireKnownFailures({ xfail, file }: Target): void {
  for (const { requirement } of xfail) {
    try {
      requireKnown(requirement);
    } catch (cause) {
      throw new UsageError(`xfail in ${file}`, { cause });
    }
  }
}

/** @throws UsageError for an id that selects nothing */
function requireKnown(id: string): void {
  if (CASE_KEYS.some((key) => isMeant(key, id))) return;
  const known = [...new Set([...CASE_KEYS.map(requirementOf), ...CASE_KEYS])];
  const hint = hintFor(id, known) ?? '`syncproof list` shows them all';
  throw new UsageError(`Expected the id of a requirement or case, or a glob of them, got ${id}; ${hint}`);
}

/** @throws UsageError for the name of something that no soak breaks, in what was read from `where` */
export function requireKnownFaults(names: readonly string[], where: string): void {
  const known = soakFaults().map(({ name }) => name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const hint = hintFor(unknown, known) ?? '`syncproof list --faults` shows them all';
  throw new UsageError(`Expected the names of what a soak breaks in ${where}, got ${unknown}; ${hint}`);
}

/** Known names that look like the wanted one, as a question; undefined when none does. */
export function hintFor(wanted: string, known: readonly string[]): string | undefined {
  const near = nearMatches(wanted, known);
  return near.length === 0 ? undefined : `did you mean ${near.join(', ')}?`;
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
