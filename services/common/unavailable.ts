import { TimeoutError } from './backoff.ts';

/**
 * SQLSTATE classes and codes that say the server is away, going, or short of something (class 53: a full disk, memory,
 * connections), not that the statement is wrong (PostgreSQL appendix A).
 */
const SERVER_AWAY = /^(08...|53...|57P0[1-5]|25006|58030)$/;
const NETWORK_AWAY = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_SOCKET',
]);
/** pg reports these without a code. */
const PG_MESSAGES =
  /^(Query read timeout|Connection terminated|timeout exceeded when trying to connect|timeout expired|Client has encountered a connection error|Cannot use a pool after calling end)/;

/** True when the error means that another server is away, hangs or is going down, and the same call may succeed later. */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.every(isUnavailable);
  if (!(error instanceof Error)) return false;
  if (error instanceof TimeoutError) return true;
  const code = (error as { code?: unknown }).code;
  if (typeof code === 'string' && (NETWORK_AWAY.has(code) || SERVER_AWAY.test(code))) return true;
  return PG_MESSAGES.test(error.message) || (error.cause !== undefined && isUnavailable(error.cause));
}
