import type { RequirementId } from './requirements.ts';

/** Key of a case: a requirement's id, or the id and a variant: `RES-01/killed`. */
export type CaseKey = RequirementId | `${RequirementId}/${string}`;

export interface CaseFile {
  /** Relative to `suites/`. */
  file: string;
  cases: readonly CaseKey[];
  /** About how long the file takes, environment included: the longest start first. */
  seconds: number;
  /** Measures time: nothing else may run beside it. */
  alone?: true;
}

/**
 * Every case and the file that holds it. A file starts an environment of its own, so cases that wait long (an outage
 * of a minute, a process stopped for half of one) have files of their own and wait side by side.
 */
export const CASE_FILES: readonly CaseFile[] = [
  { file: 'conformance/latency.test.ts', cases: ['LAT-01'], seconds: 14, alone: true },
  { file: 'conformance/auth.test.ts', cases: ['AUTH-01'], seconds: 4 },
  { file: 'conformance/upload.test.ts', cases: ['UP-01', 'UP-02'], seconds: 5 },
  {
    file: 'conformance/sync.test.ts',
    cases: ['SYNC-01', 'SYNC-02', 'SYNC-03', 'SYNC-05/10', 'SYNC-05/200'],
    seconds: 9,
  },
  {
    file: 'conformance/start-order.test.ts',
    cases: ['SYNC-09/consumer-first', 'SYNC-09/producer-first', 'SYNC-09/before-stream', 'SYNC-09/before-redis'],
    seconds: 16,
  },
  {
    file: 'conformance/health.test.ts',
    cases: ['HLTH-01/healthy', 'HLTH-01/redis-killed', 'HLTH-01/redis-paused', 'HLTH-01/postgres-stopped'],
    seconds: 14,
  },
  { file: 'resilience/redis-killed-60s.test.ts', cases: ['RES-02/killed-60s'], seconds: 68 },
  {
    file: 'resilience/redis-killed.test.ts',
    cases: ['RES-01/killed', 'RES-02/killed-1s', 'RES-02/killed-10s'],
    seconds: 32,
  },
  { file: 'resilience/redis-paused.test.ts', cases: ['RES-01/paused', 'RES-02/paused-10s'], seconds: 27 },
  { file: 'resilience/redis-refused.test.ts', cases: ['RES-01/refused', 'RES-02/refused-10s'], seconds: 25 },
  { file: 'resilience/redis-blackholed.test.ts', cases: ['RES-01/blackholed', 'RES-02/blackholed-10s'], seconds: 28 },
  { file: 'resilience/consumer-killed.test.ts', cases: ['RES-03'], seconds: 10 },
  { file: 'resilience/redis-stopped-30s.test.ts', cases: ['RES-05/redis'], seconds: 38 },
  { file: 'resilience/consumer-stopped-30s.test.ts', cases: ['RES-05/query'], seconds: 38 },
  { file: 'resilience/admin-stopped-30s.test.ts', cases: ['RES-05/admin'], seconds: 38 },
];

export const CASE_KEYS: readonly CaseKey[] = CASE_FILES.flatMap(({ cases }) => cases);

/** The requirement that a case judges. */
export function requirementOf(key: string): string {
  return key.split('/', 1)[0] ?? key;
}

/** Whether a selection (requirement or case ids; empty means all) asks for a case. */
export function isSelected(key: string, selection: readonly string[]): boolean {
  return selection.length === 0 || selection.includes(key) || selection.includes(requirementOf(key));
}

/** The files that hold at least one selected case, the longest first. */
export function selectedFiles(selection: readonly string[]): CaseFile[] {
  return CASE_FILES.filter(({ cases }) => cases.some((key) => isSelected(key, selection))).sort(
    (a, b) => b.seconds - a.seconds,
  );
}
