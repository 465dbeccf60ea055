import type { Mutant } from '../mutant.ts';

/** What can be wrong with what Redis or the read model lost. */
export const RECOVERY_MUTANTS: readonly Mutant[] = [];
