import { TimeoutError } from './backoff.ts';

/**
 * SQLSTATE classes and codes that mean the server is unavailable, shutting down, or short of a resource (class 53: a
 * full disk, memory, connections), not that the statement is wrong (PostgreSQL appendix A).
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

/**
 * True when the error means that another server is unavailable, hangs or is shutting down, and the same call may
 * succeed later.
 */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.every(isUnavailable);
  if (!(error instanceof Error)) return false;
  if (error instanceof TimeoutError) return true;
  const code = (error as { code?: unknown }).code;
  if (typeof code === 'string' && (NETWORK_AWAY.has(code) || SERVER_AWAY.test(code))) return true;
  return PG_MESSAGES.test(error.message) || (error.cause !== undefined && isUnavailable(error.cause));
}

/** Media type of error answers, RFC 9457. */
export const PROBLEM_MEDIA_TYPE = 'application/problem+json; charset=utf-8';

/** One wrong parameter, named by its path: `metadata.author`, `tags.3`. */
export interface ParameterFault {
  name: string;
  reason: string;
}

/** Problem details, RFC 9457 section 3; `errors` is an extension member. */
export interface ProblemDocument {
  type: string;
  title: string;
  status: number;
  detail?: string;
  instance?: string;
  errors?: readonly ParameterFault[];
}

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  409: 'Conflict',
  413: 'Content Too Large',
  414: 'URI Too Long',
  415: 'Unsupported Media Type',
  416: 'Range Not Satisfiable',
  422: 'Unprocessable Content',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  499: 'Client Closed Request',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
};

/** An answer that is an error on purpose. Its detail goes to the client, so it never carries a secret. */
export class HttpProblem extends Error {
  override readonly name = 'HttpProblem';
  readonly statusCode: number;
  readonly errors: readonly ParameterFault[];
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    statusCode: number,
    detail: string,
    options: { cause?: unknown; errors?: readonly ParameterFault[]; headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.statusCode = statusCode;
    this.errors = options.errors ?? [];
    this.headers = options.headers ?? {};
  }
}

/** A 400 that names the parameter. */
export function badParameter(name: string, reason: string): HttpProblem {
  return new HttpProblem(400, `${name}: ${reason}`, { errors: [{ name, reason }] });
}

export function problemDocument(
  status: number,
  detail: string | undefined,
  instance: string,
  errors: readonly ParameterFault[] = [],
): ProblemDocument {
  return {
    type: 'about:blank',
    title: TITLES[status] ?? (status < 500 ? 'Client Error' : 'Server Error'),
    status,
    detail,
    instance,
    errors: errors.length === 0 ? undefined : errors,
  };
}

/** A complete raw answer, for requests that Fastify cannot answer; the connection is closed after it. */
export function rawProblem(status: number, detail: string, instance: string): string {
  const body = JSON.stringify(problemDocument(status, detail, instance));
  const head = [
    `HTTP/1.1 ${status} ${TITLES[status] ?? 'Error'}`,
    `content-type: ${PROBLEM_MEDIA_TYPE}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  return `${head.join('\r\n')}\r\n\r\n${body}`;
}
