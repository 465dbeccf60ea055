/** When a write was accepted and when a reader first saw it, in run time; `hitAt` null when it never did in time. */
interface Seen {
  acceptedAt: number;
  hitAt: number | null;
}

/** How the read model caught up after a fault was healed. */
export interface Convergence {
  /** When the first write became visible after healing. */
  firstAppliedAt: number | undefined;
  /** When all that had been accepted before healing was visible; undefined when something never was. */
  drainedAt: number | undefined;
  /** Accepted, before or after healing, and never seen in time. */
  invisible: number;
}

export function convergenceOf(samples: readonly Seen[], healedAt: number): Convergence {
  const hits = samples.flatMap(({ hitAt }) => (hitAt !== null && hitAt > healedAt ? [hitAt] : []));
  const held = samples.filter(({ acceptedAt }) => acceptedAt < healedAt).map(({ hitAt }) => hitAt ?? Infinity);
  // One by one, not spread: a long outage has more samples than a call may have arguments.
  const drainedAt = held.reduce((last, hitAt) => Math.max(last, hitAt), healedAt);
  return {
    firstAppliedAt: hits.length === 0 ? undefined : hits.reduce((first, hitAt) => Math.min(first, hitAt)),
    drainedAt: drainedAt === Infinity ? undefined : drainedAt,
    invisible: samples.filter(({ hitAt }) => hitAt === null).length,
  };
}
