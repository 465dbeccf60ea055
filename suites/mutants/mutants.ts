import { matchesGlob } from 'node:path';
import { UsageError } from '../../harness/index.ts';
import type { Mutant } from './mutant.ts';
import { AUTH_MUTANTS } from './variants/auth.ts';
import { CONSUMER_MUTANTS } from './variants/consumer.ts';
import { DATA_MUTANTS } from './variants/data.ts';
import { HEALTH_MUTANTS } from './variants/health.ts';
import { HONESTY_MUTANTS } from './variants/honesty.ts';
import { LATENCY_MUTANTS } from './variants/latency.ts';
import { POSTGRES_MUTANTS } from './variants/postgres.ts';
import { PUBLISHER_MUTANTS } from './variants/publisher.ts';
import { RECOVERY_MUTANTS } from './variants/recovery.ts';
import { RESILIENCE_MUTANTS } from './variants/resilience.ts';
import { RESTART_MUTANTS } from './variants/restarts.ts';
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
  ...POSTGRES_MUTANTS,
  ...RESTART_MUTANTS,
  ...PUBLISHER_MUTANTS,
  ...CONSUMER_MUTANTS,
  ...RECOVERY_MUTANTS,
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
