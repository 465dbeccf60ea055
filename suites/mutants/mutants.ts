import { consumerMutants } from './consumer-mutants.ts';
import { edgeMutants } from './edge-mutants.ts';
import type { Mutant } from './mutant.ts';
import { publisherMutants } from './publisher-mutants.ts';

export const MUTANTS: readonly Mutant[] = [...publisherMutants, ...consumerMutants, ...edgeMutants];

/** @throws when there is no such variant, naming those there are */
export function mutantById(id: string): Mutant {
  const found = MUTANTS.find((mutant) => mutant.id === id);
  if (found !== undefined) return found;
  throw new Error(`Expected a mutant's id, one of ${MUTANTS.map((mutant) => mutant.id).join(', ')}; got ${id}`);
}
