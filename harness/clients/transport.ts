import { randomBytes } from 'node:crypto';
import { Pool } from 'undici';
import type { ServiceName } from '../../services/contract/names.ts';
import { SyncproofError } from '../core/errors.ts';
import type { Completed, OperationKind } from '../record/history.ts';

/** One call of the HTTP contract, in the contract's own words: path, field names, methods. */
export interface ContractCall {
  service: ServiceName;
  method: string;
  /** With its query string. */
  path: string;
  headers: Record<string, string>;
  body: string | Uint8Array | null;
  signal: AbortSignal;
}

export interface ContractAnswer {
  status: number;
  /** Names in lower case. */
  headers: Readonly<Record<string, string>>;
  body: Uint8Array;
}

export type Send = (call: ContractCall) => Promise<ContractAnswer>;

/**
 * Stands between the suite, which speaks the contract, and a target that speaks something else. It may change the call
 * and the answer, or answer by itself; `next` sends a call over HTTP. What it throws counts as no answer.
 */
export interface Driver {
  send(call: ContractCall, next: Send): Promise<ContractAnswer>;
}

export interface Transport extends AsyncDisposable {
  send: Send;
}

/**
 * HTTP to the services of a target.
 * @param drivers each stands in front of those after it
 */
export function createTransport(
  urls: Readonly<Partial<Record<ServiceName, string>>>,
  drivers: readonly Driver[] = [],
): Transport {
  const pools = new Map<ServiceName, { pool: Pool; prefix: string }>();

  function poolOf(service: ServiceName): { pool: Pool; prefix: string } {
    const existing = pools.get(service);
    if (existing !== undefined) return existing;
    const url = urls[service];
    if (url === undefined) throw new SyncproofError(`The target has no ${service}`);
    const { origin, pathname } = new URL(url);
    const pool = new Pool(origin, { connections: 256, connect: { timeout: 3000 }, pipelining: 1 });
    const made = { pool, prefix: pathname.replace(/\/+$/, '') };
    pools.set(service, made);
    return made;
  }

  const http: Send = async ({ service, method, path, headers, body, signal }) => {
    const { pool, prefix } = poolOf(service);
    const answer = await pool.request({ method, path: prefix + path, headers, body, signal });
    return {
      status: answer.statusCode,
      headers: Object.fromEntries(Object.entries(answer.headers).map(([name, value]) => [name, String(value ?? '')])),
      body: new Uint8Array(await answer.body.arrayBuffer()),
    };
  };

  return {
    send: drivers.reduceRight<Send>((next, driver) => (call) => driver.send(call, next), http),
    async [Symbol.asyncDispose]() {
      // Not `close`: requests that a fault left without an answer would be waited for.
      await Promise.all([...pools.values()].map(({ pool }) => pool.destroy()));
    },
  };
}

/** The outcome of an operation, see `Completed`. */
export type Outcome = Completed['type'];

const WRITES: ReadonlySet<OperationKind> = new Set(['upload', 'register', 'update', 'delete']);

/** Errors of connections that were never established: not one byte of the request was sent. */
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
  // A read that finds nothing is a good answer.
  if ((status >= 200 && status < 300) || (status === 404 && !isWrite)) return 'ok';
  return isWrite && (status < 400 || status >= 500) ? 'unknown' : 'fail';
}

/** A timeout or a reset leaves a write unknown; a connection that was refused leaves it undone. */
export function outcomeOfError(kind: OperationKind, error: unknown): Outcome {
  if (!WRITES.has(kind)) return 'fail';
  return codesOf(error).some((code) => NEVER_SENT.has(code)) ? 'fail' : 'unknown';
}

export interface FilePart {
  filename: string;
  contentType: string;
  content: Uint8Array;
}

/**
 * A multipart/form-data body (RFC 7578) of text fields and one file. Built by hand because the platform's FormData
 * percent-encodes quotes in file names, and hostile names must arrive as they are.
 */
export function multipartBody(
  fields: Readonly<Record<string, string | undefined>>,
  file: FilePart,
): { body: Buffer; contentType: string } {
  const boundary = `syncproof-${randomBytes(12).toString('hex')}`;
  const parts: (string | Uint8Array)[] = [];
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    parts.push(`--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`);
  }
  // RFC 9110, 5.6.4: inside a quoted string, a backslash escapes. A line break would end the header: it is sent encoded.
  const filename = file.filename.replaceAll(/["\\]/g, '\\$&').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
  parts.push(
    `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="${filename}"\r\n` +
      `Content-Type: ${file.contentType}\r\n\r\n`,
    file.content,
    `\r\n--${boundary}--\r\n`,
  );
  const body = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
  return { body, contentType: `multipart/form-data; boundary=${boundary}` };
}
