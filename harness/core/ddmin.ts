/**
 * A smaller list that still fails: delta debugging (A. Zeller, R. Hildebrandt, "Simplifying and Isolating
 * Failure-Inducing Input", 2002, algorithm ddmin). When `fails` is sure of itself, no single item can be taken away from
 * what is returned.
 * @param items a list that fails
 * @param fails asked once for each list that is tried; never for an empty one
 */
export async function minimized<T>(
  items: readonly T[],
  fails: (items: readonly T[]) => Promise<boolean>,
): Promise<readonly T[]> {
  let left = items;
  for (let parts = 2; left.length >= 2; ) {
    const chunks = split(left, parts);
    const without = (chunk: readonly T[]): T[] => chunks.filter((other) => other !== chunk).flat();
    // With two chunks each is what the other leaves.
    const candidates = parts === 2 ? chunks : [...chunks, ...chunks.map(without)];
    const smaller = await firstThat(candidates, fails);
    if (smaller !== undefined) {
      parts = chunks.includes(smaller) ? 2 : parts - 1;
      left = smaller;
    } else if (parts >= left.length) return left;
    else parts = Math.min(left.length, 2 * parts);
  }
  return left;
}

function split<T>(items: readonly T[], parts: number): readonly (readonly T[])[] {
  const bounds = Array.from({ length: parts + 1 }, (_, i) => Math.round((i * items.length) / parts));
  return bounds.slice(1).map((end, i) => items.slice(bounds[i], end));
}

async function firstThat<T>(
  candidates: readonly T[],
  fits: (candidate: T) => Promise<boolean>,
): Promise<T | undefined> {
  for (const candidate of candidates) if (await fits(candidate)) return candidate;
  return undefined;
}
