import { matchesGlob } from 'node:path';
import { UsageError } from '../harness/index.ts';
import { AUTH_MUTANTS } from './auth/mutants.ts';
import { APPLYING_MUTANTS } from './consumer/mutants-applying.ts';
import { DELIVERY_MUTANTS } from './consumer/mutants-delivery.ts';
import { POISON_MUTANTS } from './consumer/mutants-poison.ts';
import { DATA_MUTANTS } from './data/mutants.ts';
import { HEALTH_MUTANTS } from './health/mutants.ts';
import { HONESTY_MUTANTS } from './honesty/mutants.ts';
import { LATENCY_MUTANTS } from './latency/mutants.ts';
import type { Mutant } from './mutants/mutant.ts';
import { POSTGRES_OUTAGE_MUTANTS } from './postgres-outage/mutants.ts';
import { PUBLISHER_MUTANTS } from './publisher/mutants.ts';
import { RECOVERY_MUTANTS } from './recovery/mutants.ts';
import { REDIS_OUTAGE_MUTANTS } from './redis-outage/mutants.ts';
import { SEARCH_MUTANTS } from './search/mutants.ts';
import { SOAK_MUTANTS } from './soak/mutants.ts';
import { SYNC_MUTANTS } from './sync/mutants.ts';
import { UPLOAD_MUTANTS } from './upload/mutants.ts';

export const MUTANTS: readonly Mutant[] = [
  ...AUTH_MUTANTS,
  ...UPLOAD_MUTANTS,
  ...SYNC_MUTANTS,
  ...SEARCH_MUTANTS,
  ...DATA_MUTANTS,
  ...HEALTH_MUTANTS,
  ...LATENCY_MUTANTS,
  ...REDIS_OUTAGE_MUTANTS,
  ...POSTGRES_OUTAGE_MUTANTS,
  ...PUBLISHER_MUTANTS,
  ...DELIVERY_MUTANTS,
  ...APPLYING_MUTANTS,
  ...POISON_MUTANTS,
  ...RECOVERY_MUTANTS,
  ...SOAK_MUTANTS,
  ...HONESTY_MUTANTS,
];

/**
 * The variants that ids, or globs of them, name; all without one.
 * @throws UsageError for an id that names none of `among`
 */
export function mutantsOf(ids: readonly string[], among: readonly Mutant[] = MUTANTS): readonly Mutant[] {
  const unknown = ids.find((id) => !among.some((mutant) => matchesGlob(mutant.id, id)));
  if (unknown !== undefined) {
    throw new UsageError(`There is no broken variant ${unknown}; \`syncproof mutants --list\` shows those there are`);
  }
  return ids.length === 0 ? among : among.filter((mutant) => ids.some((id) => matchesGlob(mutant.id, id)));
}
