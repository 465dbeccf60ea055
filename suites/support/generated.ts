import fc from 'fast-check';
import type { CaseContext } from './case.ts';

/**
 * Checks that something holds for many generated values, chosen by the case's seed. Of a value for which it does not, the
 * smallest that still shows it is looked for, and what `check` threw for that one is thrown.
 */
export async function holdsForAll<T>(
  { random, signal }: Pick<CaseContext, 'random' | 'signal'>,
  { values, count }: { values: fc.Arbitrary<T>; count: number },
  check: (value: T) => Promise<void>,
): Promise<void> {
  const property = fc.asyncProperty(values, async (value) => {
    signal.throwIfAborted();
    await check(value);
  });
  const { failed, errorInstance } = await fc.check(property, { seed: seedOf(random), numRuns: count });
  if (failed) throw errorInstance;
}

/** Generated values, chosen by the case's seed. */
export function generated<T>({ random }: Pick<CaseContext, 'random'>, values: fc.Arbitrary<T>, count: number): T[] {
  return fc.sample(values, { seed: seedOf(random), numRuns: count });
}

function seedOf(random: CaseContext['random']): number {
  return random.integer(0, 0x7fff_ffff);
}
