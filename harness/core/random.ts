import { createHash } from 'node:crypto';

/** A seeded source of choices. Two sources with the same seed and path make the same choices, on any machine. */
export interface Random {
  readonly seed: number;
  /** A float in [0, 1). */
  next(): number;
  /** An integer in [min, max], both included. */
  integer(min: number, max: number): number;
  pick<T>(items: readonly [T, ...T[]]): T;
  /** An independent source derived from this seed and a name, so that adding a consumer disturbs no other. */
  fork(name: string): Random;
}

/** Mulberry32: 32 bits of state are plenty for picking faults and file contents; never for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const integer = (min: number, max: number): number => min + Math.floor(next() * (max - min + 1));
  return {
    seed,
    next,
    integer,
    pick: <T>(items: readonly [T, ...T[]]): T => items[integer(0, items.length - 1)] as T,
    fork: (name) => seededRandom(createHash('sha256').update(`${seed}/${name}`).digest().readUInt32LE(0)),
  };
}
