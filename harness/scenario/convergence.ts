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

/** A write younger than this may be unseen with nothing wrong: neither applied nor looked for yet, in ms. */
const ON_ITS_WAY_MS = 500;

/**
 * How many writes were accepted while the fault was on and kept from readers by it: none when it reached no service.
 * The youngest ones do not count, they would be missing without a fault, too.
 */
export function heldBack(
  samples: readonly Seen[],
  { effectiveAt, healingAt }: { effectiveAt: number; healingAt: number },
): number {
  return samples.filter(
    ({ acceptedAt, hitAt }) =>
      acceptedAt >= effectiveAt && acceptedAt <= healingAt - ON_ITS_WAY_MS && (hitAt === null || hitAt > healingAt),
  ).length;
}
