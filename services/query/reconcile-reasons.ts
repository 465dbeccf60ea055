/** What makes a comparison with the registry due: a sign that events were lost, or that nobody looked for a while. */
export const RECONCILE_REASONS = ['boot', 'group-made', 'redis-changed', 'entries-trimmed', 'gap', 'interval'] as const;
export type ReconcileReason = (typeof RECONCILE_REASONS)[number];
