/**
 * What a failed batch means.
 *
 * - `data`: the event itself is refused, today and tomorrow (PostgreSQL classes 22 data exception, 23 integrity constraint,
 *   54 program limit): it goes to the dead letter.
 * - `contended`: somebody holds a lock; others need not wait for that file.
 * - `outage`: everything else. The event is innocent: keep it and try again, however often.
 */
export const FAILURE_KINDS = ['data', 'contended', 'outage'] as const;
export type FailureKind = (typeof FAILURE_KINDS)[number];

const DATA = /^(22|23|54)/;
/** serialization_failure, deadlock_detected, lock_not_available, query_canceled (statement_timeout). */
const CONTENDED = new Set(['40001', '40P01', '55P03', '57014']);

export function failureKind(error: unknown): FailureKind {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  if (typeof code !== 'string') return 'outage';
  if (DATA.test(code)) return 'data';
  return CONTENDED.has(code) ? 'contended' : 'outage';
}
