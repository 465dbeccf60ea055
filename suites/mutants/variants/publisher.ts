import type { Mutant } from '../mutant.ts';

/** What can be wrong with publishing, whatever happens in between. */
export const PUBLISHER_MUTANTS: readonly Mutant[] = [];
