import type { Mutant } from '../mutant.ts';

/** What can be wrong with consuming, whatever is delivered, and how often. */
export const CONSUMER_MUTANTS: readonly Mutant[] = [];
