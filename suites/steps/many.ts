import fc from 'fast-check';
import type { CaseContext } from '../runner/case.ts';

/**
 * Runs `act` on every item, at most `atOnce` at a time, and gives the results in the order of the items. After the first
 * error no further item is begun, and that error is thrown once those in progress have ended.
 */
export async function inParallel<T, R>(
  items: readonly T[],
  atOnce: number,
  act: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const waiting = [...items.entries()];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [index, item] = next;
      try {
        results[index] = await act(item, index);
      } catch (error) {
        waiting.length = 0;
        throw error;
      }
    }
  };
  const settled = await Promise.allSettled(Array.from({ length: atOnce }, worker));
  for (const outcome of settled) if (outcome.status === 'rejected') throw outcome.reason;
  return results;
}

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
