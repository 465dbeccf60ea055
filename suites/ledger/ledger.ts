import { createHash } from 'node:crypto';
import { matchesGlob } from 'node:path';
import type { PlannedWorker } from '../../harness/config/run-plan.ts';
import type { Case, Requirement } from './requirement.ts';

/** Case of a requirement, with its key: the requirement's id, or the id and a variant: `RES-01/killed`. */
export interface KeyedCase extends Case {
  key: string;
  title: string;
  requirement: Requirement;
}

/** Cases that run one after the other. */
export interface Lane {
  /** Relative to `suites/`. */
  file: string;
  /** Tells the lanes of one file apart. */
  name: string;
  /** It measures time: nothing else may run beside it. */
  alone: boolean;
  cases: readonly KeyedCase[];
  /** About how long it takes. */
  seconds: number;
}

const ALONE = 'alone';

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
      const seconds = ofLane.reduce((sum, each) => sum + each.seconds, 0);
      return { file, name, alone: name === ALONE, cases: ofLane, seconds };
    })
    .sort((a, b) => b.seconds - a.seconds);
}

/**
 * Deals cases out to at most `count` workers, each of which runs whole lanes one after the other: always the longest lane
 * that is left to the worker that has least. What measures time gets a worker of its own.
 */
export function planWorkers(cases: readonly KeyedCase[], count: number): PlannedWorker[] {
  const lanes = lanesOf(cases);
  const bins = Array.from({ length: count }, () => ({ seconds: 0, cases: [] as KeyedCase[] }));
  for (const lane of lanes.filter(({ alone }) => !alone)) {
    const least = bins.reduce((a, b) => (b.seconds < a.seconds ? b : a));
    least.seconds += lane.seconds;
    least.cases.push(...lane.cases);
  }
  const still = lanes.filter((lane) => lane.alone);
  const alone = still.length === 0 ? [] : [{ name: ALONE, alone: true, ...mergedLanes(still) }];
  const beside = bins
    .filter((bin) => bin.cases.length > 0)
    .map((bin, index) => ({ ...bin, alone: false, name: `worker ${index + 1}` }));
  return [...alone, ...beside].map(({ name, alone, seconds, cases: ofWorker }) => ({
    name,
    alone,
    seconds,
    files: [...Map.groupBy(ofWorker, ({ file }) => file)].map(([file, ofFile]) => ({
      file,
      cases: ofFile.map(({ key, title }) => ({ key, title })),
    })),
  }));
}

const mergedLanes = (lanes: readonly Lane[]): Pick<Lane, 'cases' | 'seconds'> => ({
  cases: lanes.flatMap(({ cases }) => cases),
  seconds: lanes.reduce((sum, { seconds }) => sum + seconds, 0),
});

/** About how long workers take, side by side but for those that have nothing beside them. */
export function estimatedSeconds(workers: readonly PlannedWorker[]): number {
  const alone = workers.filter((worker) => worker.alone).reduce((sum, { seconds }) => sum + seconds, 0);
  return alone + Math.max(0, ...workers.filter((worker) => !worker.alone).map(({ seconds }) => seconds));
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
