import { matchesGlob } from 'node:path';
import { REQUIREMENTS, type RequirementId } from './ledger.ts';
import type { Case, Requirement } from './requirement.ts';

/** Key of a case: a requirement's id, or the id and a variant: `RES-01/killed`. */
export type CaseKey = RequirementId | `${RequirementId}/${string}`;

export interface KeyedCase extends Case {
  key: CaseKey;
  title: string;
  requirement: Requirement;
}

/** A file starts an environment of its own, so cases that wait long have files of their own and wait side by side. */
export interface CaseFile {
  /** Relative to `suites/`. */
  file: string;
  cases: readonly KeyedCase[];
  /** About how long the file takes, its environment included. */
  seconds: number;
}

export const CASES: readonly KeyedCase[] = REQUIREMENTS.flatMap((requirement) =>
  requirement.cases.map(
    (entry): KeyedCase => ({
      ...entry,
      key: entry.variant === undefined ? requirement.id : `${requirement.id}/${entry.variant}`,
      title: entry.title ?? requirement.text,
      requirement,
    }),
  ),
);

export const CASE_KEYS: readonly CaseKey[] = CASES.map(({ key }) => key);

const ON_DEMAND: ReadonlySet<string> = new Set(CASES.filter(({ onDemand }) => onDemand).map(({ key }) => key));

/** @throws when the ledger has no such case */
export function caseByKey(key: string): KeyedCase {
  const found = CASES.find((entry) => entry.key === key);
  if (found === undefined) throw new Error(`The ledger has no case ${key}`);
  return found;
}

/** Measures time: nothing else may run beside it. */
export const ALONE: readonly string[] = ['conformance/latency.test.ts'];

/** About what the start of an environment takes. */
const START_SECONDS = 2;

/** The requirement that a case judges. */
export function requirementOf(key: string): string {
  return key.split('/', 1)[0] ?? key;
}

/** Whether a selection (requirement or case ids, or globs of them; empty means all but those on demand) asks for a case. */
export function isSelected(key: string, selection: readonly string[]): boolean {
  if (selection.length === 0) return !ON_DEMAND.has(key);
  return selection.some((id) => matchesGlob(key, id) || matchesGlob(requirementOf(key), id));
}

/** The files that hold at least one selected case, the longest first. */
export function selectedFiles(selection: readonly string[]): CaseFile[] {
  const selected = CASES.filter(({ key }) => isSelected(key, selection));
  return [...Map.groupBy(selected, ({ file }) => file)]
    .map(([file, cases]) => ({
      file,
      cases,
      seconds: cases.reduce((sum, { seconds }) => sum + seconds, START_SECONDS),
    }))
    .sort((a, b) => b.seconds - a.seconds);
}
