import { AUTH } from './auth/requirements.ts';
import { CONSUMER } from './consumer/requirements.ts';
import { DATA } from './data/requirements.ts';
import { HEALTH } from './health/requirements.ts';
import { HONESTY } from './honesty/requirements.ts';
import { LATENCY } from './latency/requirements.ts';
import { casesOf, isSelected, type KeyedCase, type Lane, lanesOf, versionOf } from './ledger/ledger.ts';
import type { Requirement } from './ledger/requirement.ts';
import { POSTGRES_OUTAGE } from './postgres-outage/requirements.ts';
import { PUBLISHER } from './publisher/requirements.ts';
import { RECOVERY } from './recovery/requirements.ts';
import { REDIS_OUTAGE } from './redis-outage/requirements.ts';
import { SEARCH } from './search/requirements.ts';
import { SOAK } from './soak/requirements.ts';
import { SYNC } from './sync/requirements.ts';
import { UPLOAD } from './upload/requirements.ts';

const SUBJECTS = [
  ...AUTH,
  ...UPLOAD,
  ...SYNC,
  ...SEARCH,
  ...DATA,
  ...HEALTH,
  ...LATENCY,
  ...REDIS_OUTAGE,
  ...POSTGRES_OUTAGE,
  ...PUBLISHER,
  ...CONSUMER,
  ...RECOVERY,
  ...SOAK,
  ...HONESTY,
] as const satisfies readonly Requirement[];

/** The order of reports. */
const AREAS = ['AUTH', 'UP', 'SYNC', 'SRCH', 'DATA', 'HLTH', 'LAT', 'RES', 'PUB', 'CON', 'REC', 'SOAK', 'HON'];
const areaOf = (id: string): number => AREAS.indexOf(id.replace(/-\d+$/, ''));

/** The requirements ledger: those of every subject, in the order in which reports show them. */
export const REQUIREMENTS: readonly Requirement[] = SUBJECTS.toSorted(
  (a, b) => areaOf(a.id) - areaOf(b.id) || a.id.localeCompare(b.id),
);

/** Ids of requirements that were given up; none of them may come back with another meaning. */
export const RETIRED_IDS: readonly string[] = [];

export const CASES: readonly KeyedCase[] = casesOf(REQUIREMENTS);
export const CASE_KEYS: readonly string[] = CASES.map(({ key }) => key);

/** @throws when the ledger has no such entry */
export function requirementById(id: string): Requirement {
  const found = REQUIREMENTS.find((entry) => entry.id === id);
  if (found === undefined) throw new Error(`The ledger has no requirement ${id}`);
  return found;
}

/** @throws when the ledger has no such case */
export function caseByKey(key: string): KeyedCase {
  const found = CASES.find((entry) => entry.key === key);
  if (found === undefined) throw new Error(`The ledger has no case ${key}`);
  return found;
}

/** The lanes of the cases that a selection asks for, the longest first. */
export function selectedLanes(selection: readonly string[]): Lane[] {
  return lanesOf(CASES.filter((entry) => isSelected(entry, selection)));
}

/** Changes with the ledger. */
export const requirementsVersion = (): string => versionOf(REQUIREMENTS);
