import { type FaultWindow, faultWindows } from './fault-windows.ts';
import { oncePerHistory } from './once.ts';

/** What was broken at a moment. */
interface Moment {
  /** From when a witness saw it until it was healed. */
  on: readonly FaultWindow[];
  /** These, and those that were asked for and not seen yet, or that are healed and may still be felt. */
  near: readonly FaultWindow[];
}

const CALM: Moment = { on: [], near: [] };

type Change = { at: number; of: 'on' | 'near'; window: FaultWindow; begins: boolean };

/**
 * The faults of one case by time: what was broken at a moment is found in the logarithm of their number, so that very many
 * operations can be held against very many faults.
 */
export class FaultTimes {
  /** Ascending; moment `i` lasts from start `i` to the next one. */
  readonly #starts: Float64Array;
  readonly #moments: readonly Moment[];

  constructor(windows: readonly FaultWindow[]) {
    const changes = windows.flatMap(changesOf).sort((a, b) => a.at - b.at);
    const starts: number[] = [];
    const moments: Moment[] = [];
    const now = { on: new Set<FaultWindow>(), near: new Set<FaultWindow>() };
    for (const [index, { at, of, window, begins }] of changes.entries()) {
      if (begins) now[of].add(window);
      else now[of].delete(window);
      // Of several changes at one time only the last leaves a moment behind.
      if (changes[index + 1]?.at === at) continue;
      starts.push(at);
      moments.push({ on: [...now.on], near: [...now.near] });
    }
    this.#starts = Float64Array.from(starts);
    this.#moments = moments;
  }

  at(at: number): Moment {
    return this.#moments[this.#indexOf(at)] ?? CALM;
  }

  /** Whether some fault was on at some time between these, both included. */
  isOnBetween(from: number, to: number): boolean {
    for (let index = this.#indexOf(from); index < this.#starts.length; index++) {
      if ((this.#starts[index] ?? from) > to) return false;
      if ((this.#moments[index]?.on.length ?? 0) > 0) return true;
    }
    return false;
  }

  /** The moment that `at` lies in; -1 before the first. */
  #indexOf(at: number): number {
    let [low, high] = [0, this.#starts.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#starts[middle] ?? 0) <= at) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

function changesOf(window: FaultWindow): Change[] {
  const { requestedAt, fromAt, toAt, lingersMs, unwitnessed, changes } = window;
  // What nobody saw was undone when that was clear.
  const overAt = toAt ?? (unwitnessed ? changes.at(-1)?.at : undefined) ?? Number.POSITIVE_INFINITY;
  const near = [
    { at: requestedAt, of: 'near' as const, window, begins: true },
    { at: overAt + lingersMs, of: 'near' as const, window, begins: false },
  ];
  if (unwitnessed) return near;
  const on = [
    { at: fromAt, of: 'on' as const, window, begins: true },
    { at: overAt, of: 'on' as const, window, begins: false },
  ];
  return [...near, ...on];
}

/** The faults of each case by time. Cases have servers of their own: what one breaks does not concern another. */
export const faultTimes = oncePerHistory(
  (records): ReadonlyMap<string | undefined, FaultTimes> =>
    new Map(
      [...Map.groupBy(faultWindows(records), (window) => window.case)].map(([key, windows]) => [
        key,
        new FaultTimes(windows),
      ]),
    ),
);

/** Of a case that broke nothing. */
export const NO_FAULTS = new FaultTimes([]);
