import { createHash } from 'node:crypto';
import { matchesGlob } from 'node:path';
import type { PlannedLane } from '../../harness/config/run-plan.ts';
import type { Case, Requirement } from './requirement.ts';

/** Case of a requirement, with its key: the requirement's id, or the id and a variant: `RES-01/killed`. */
export interface KeyedCase extends Case {
  key: string;
  title: string;
  requirement: Requirement;
}

/** Cases that share one environment and run one after the other, in a process of their own. */
export interface Lane {
  /** Relative to `suites/`. */
  file: string;
  /** Tells the lanes of one file apart. */
  name: string;
  /** It measures time: nothing else may run beside it. */
  alone: boolean;
  cases: readonly KeyedCase[];
  /** About how long it takes, its environment included. */
  seconds: number;
}

/** About what the start of an environment takes. */
const START_SECONDS = 2;
export const ALONE = 'alone';

/** The cases of requirements, in their order. */
export function casesOf(requirements: readonly Requirement[]): KeyedCase[] {
  return requirements.flatMap((requirement) =>
    requirement.cases.map(
      (entry): KeyedCase => ({
        ...entry,
        key: entry.variant === undefined ? requirement.id : `${requirement.id}/${entry.variant}`,
        title: entry.title ?? requirement.text,
        requirement,
      }),
    ),
  );
}

/** The requirement that a case judges. */
export function requirementOf(key: string): string {
  return key.split('/', 1)[0] ?? key;
}

/** Whether the id of a requirement or a case, or a glob of them, means a case. */
export function isMeant(key: string, id: string): boolean {
  return matchesGlob(key, id) || matchesGlob(requirementOf(key), id);
}

/** Whether a selection (ids or globs of requirements or cases; empty means all but those on demand) asks for a case. */
export function isSelected(
  { key, onDemand }: Pick<KeyedCase, 'key' | 'onDemand'>,
  selection: readonly string[],
): boolean {
  return selection.length === 0 ? onDemand !== true : selection.some((id) => isMeant(key, id));
}

/** The lanes of cases, the longest first. */
export function lanesOf(cases: readonly KeyedCase[]): Lane[] {
  return [...Map.groupBy(cases, ({ file, lane = '' }) => `${file} ${lane}`).values()]
    .map((ofLane): Lane => {
      const { file = '', lane: name = '' } = ofLane[0] ?? {};
      const seconds = ofLane.reduce((sum, each) => sum + each.seconds, START_SECONDS);
      return { file, name, alone: name === ALONE, cases: ofLane, seconds };
    })
    .sort((a, b) => b.seconds - a.seconds);
}

/** A lane as the runner's processes are told of it. */
export function plannedLane({ cases, ...lane }: Lane): PlannedLane {
  return { ...lane, cases: cases.map(({ key, title }) => ({ key, title })) };
}

/** Changes with what requirements say: the newest version that added to them, and a digest of it all. */
export function versionOf(requirements: readonly Requirement[]): string {
  const newest = requirements
    .map(({ since }) => since)
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .at(-1);
  const digest = createHash('sha256').update(JSON.stringify(requirements)).digest('hex');
  return `${newest}-${digest.slice(0, 8)}`;
}
