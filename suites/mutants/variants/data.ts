import type { Mutant } from '../mutant.ts';

/** What can be wrong with hostile and unusual data. */
export const DATA_MUTANTS: readonly Mutant[] = [];
