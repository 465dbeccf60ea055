import type { Mutant } from './mutant.ts';
import { AUTH_MUTANTS } from './variants/auth.ts';
import { CONSUMER_MUTANTS } from './variants/consumer.ts';
import { DATA_MUTANTS } from './variants/data.ts';
import { HEALTH_MUTANTS } from './variants/health.ts';
import { LATENCY_MUTANTS } from './variants/latency.ts';
import { PUBLISHER_MUTANTS } from './variants/publisher.ts';
import { RECOVERY_MUTANTS } from './variants/recovery.ts';
import { RESILIENCE_MUTANTS } from './variants/resilience.ts';
import { SEARCH_MUTANTS } from './variants/search.ts';
import { SYNC_MUTANTS } from './variants/sync.ts';
import { UPLOAD_MUTANTS } from './variants/upload.ts';

export const MUTANTS: readonly Mutant[] = [
  ...AUTH_MUTANTS,
  ...UPLOAD_MUTANTS,
  ...SYNC_MUTANTS,
  ...SEARCH_MUTANTS,
  ...DATA_MUTANTS,
  ...HEALTH_MUTANTS,
  ...LATENCY_MUTANTS,
  ...RESILIENCE_MUTANTS,
  ...PUBLISHER_MUTANTS,
  ...CONSUMER_MUTANTS,
  ...RECOVERY_MUTANTS,
];

/** @throws when there is no such variant, naming those there are */
export function mutantById(id: string): Mutant {
  const found = MUTANTS.find((mutant) => mutant.id === id);
  if (found !== undefined) return found;
  throw new Error(`Expected a mutant's id, one of ${MUTANTS.map((mutant) => mutant.id).join(', ')}; got ${id}`);
}
