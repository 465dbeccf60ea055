import type { Mutant } from '../mutant.ts';

/** What can be wrong with searches. */
export const SEARCH_MUTANTS: readonly Mutant[] = [];
