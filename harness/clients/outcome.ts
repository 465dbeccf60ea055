import type { Completed, OperationKind } from '../record/history.ts';

/** What became of an operation, see `Completed`. */
export type Outcome = Completed['type'];

const WRITES: ReadonlySet<OperationKind> = new Set(['upload', 'register', 'update', 'delete']);

/** Errors of connections that never came about: not one byte of the request was sent. */
const NEVER_SENT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT']);

/** The codes of an error, of its causes and of what it aggregates. */
function codesOf(error: unknown): string[] {
  if (!(error instanceof Error)) return [];
  const code = (error as { code?: unknown }).code;
  const inner = error instanceof AggregateError ? error.errors.flatMap(codesOf) : [];
  return [...(typeof code === 'string' ? [code] : []), ...inner, ...codesOf(error.cause)];
}

/**
 * Success is 2xx. A write that is sent elsewhere (3xx), or answered with 5xx, may have happened: the service can have
 * failed after its commit.
 */
export function outcomeOfStatus(kind: OperationKind, status: number): Outcome {
  const isWrite = WRITES.has(kind);
  if (status >= 200 && status < 300) return 'ok';
  // A read that finds nothing is a good answer.
  if (status === 404 && !isWrite) return 'ok';
  return isWrite && (status < 400 || status >= 500) ? 'unknown' : 'fail';
}

/** A timeout or a reset leaves a write unknown; a connection that was refused leaves it undone. */
export function outcomeOfError(kind: OperationKind, error: unknown): Outcome {
  if (!WRITES.has(kind)) return 'fail';
  return codesOf(error).some((code) => NEVER_SENT.has(code)) ? 'fail' : 'unknown';
}
