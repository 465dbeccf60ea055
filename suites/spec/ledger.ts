import { createHash } from 'node:crypto';
import { AUTH } from './auth.ts';
import { CONSUMER } from './consumer.ts';
import { DATA } from './data.ts';
import { HEALTH } from './health.ts';
import { HONESTY } from './honesty.ts';
import { LATENCY } from './latency.ts';
import { PUBLISHER } from './publisher.ts';
import { RECOVERY } from './recovery.ts';
import type { Requirement } from './requirement.ts';
import { RESILIENCE } from './resilience.ts';
import { SEARCH } from './search.ts';
import { SOAK } from './soak.ts';
import { SYNC } from './sync.ts';
import { UPLOAD } from './upload.ts';

const ENTRIES = [
  ...AUTH,
  ...UPLOAD,
  ...SYNC,
  ...SEARCH,
  ...DATA,
  ...HEALTH,
  ...LATENCY,
  ...RESILIENCE,
  ...PUBLISHER,
  ...CONSUMER,
  ...RECOVERY,
  ...SOAK,
  ...HONESTY,
] as const;

export type RequirementId = (typeof ENTRIES)[number]['id'];

/** The requirements ledger, in the order in which reports show it. */
export const REQUIREMENTS: readonly (Requirement & { id: RequirementId })[] = ENTRIES;

/** @throws when the ledger has no such entry */
export function requirementById(id: string): Requirement {
  const found = REQUIREMENTS.find((entry) => entry.id === id);
  if (found === undefined) throw new Error(`The ledger has no requirement ${id}`);
  return found;
}

/** Ids of requirements that were given up; none of them may come back with another meaning. */
export const RETIRED_IDS: readonly string[] = [];

/** Changes with the ledger: the newest version that added to it, and a digest of all that it says. */
export function requirementsVersion(): string {
  const newest = REQUIREMENTS.map(({ since }) => since)
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .at(-1);
  const digest = createHash('sha256').update(JSON.stringify(REQUIREMENTS)).digest('hex');
  return `${newest}-${digest.slice(0, 8)}`;
}
