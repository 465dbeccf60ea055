import type { FastifyReply } from 'fastify';
import { type Agent, request } from 'undici';
import { HttpProblem } from '../common/problem.ts';
import type { SearchHit } from '../contract/http.ts';

export interface DownloadOptions {
  agent: Agent;
  storageUrl: string;
  file: SearchHit;
  /** The caller's: storage checks it itself. */
  token: string;
  /** The caller's headers that decide what storage answers. */
  conditions: Readonly<Record<string, string | string[] | undefined>>;
  /** Aborts when the client has disconnected. */
  signal: AbortSignal;
}

const FORWARDED_CONDITIONS = ['range', 'if-range'];
const PASSED_HEADERS = ['content-length', 'content-range', 'accept-ranges', 'etag'];
/** The registry takes names that no object can have. */
const NO_SUCH_OBJECT = new Set([400, 404, 414, 431]);
const PASSED_STATUS = new Set([200, 206, 416]);

/** Streams a file's bytes from storage to the client; ranges (206, 416) are storage's matter. */
export async function sendDownload(reply: FastifyReply, options: DownloadOptions): Promise<FastifyReply> {
  const { agent, storageUrl, file, token, conditions, signal } = options;
  const headers: Record<string, string> = { authorization: `Bearer ${token}` };
  for (const name of FORWARDED_CONDITIONS) {
    const value = conditions[name];
    if (typeof value === 'string') headers[name] = value;
  }
  const url = `${storageUrl}/api/v1/objects/${encodeURIComponent(file.storage_filename)}`;
  const answer = await request(url, { dispatcher: agent, headers, signal });
  if (!PASSED_STATUS.has(answer.statusCode)) {
    await answer.body.dump();
    throw refusal(answer.statusCode);
  }
  for (const name of PASSED_HEADERS) {
    const value = answer.headers[name];
    if (value !== undefined) reply.header(name, value);
  }
  if (answer.statusCode === 416) {
    const type = answer.headers['content-type'] ?? 'application/problem+json';
    return reply.code(416).type(String(type)).send(answer.body);
  }
  return reply
    .code(answer.statusCode)
    .type(file.mime_type !== null && MEDIA_TYPE.test(file.mime_type) ? file.mime_type : 'application/octet-stream')
    .header('content-disposition', attachment(file.filename))
    .header('x-content-type-options', 'nosniff')
    .send(answer.body);
}

/** What may stand in a header (RFC 9110, section 8.3.1); the registry takes any text. */
const MEDIA_TYPE =
  /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(\s*;\s*[\w!#$&^.+-]+=("[\x20-\x21\x23-\x5b\x5d-\x7e]*"|[\w!#$&^.+-]+))*$/;

/** RFC 6266 with the name as RFC 8187 wants it. */
export function attachment(filename: string): string {
  const encoded = encodeURIComponent(filename.toWellFormed()).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename*=UTF-8''${encoded}`;
}

function refusal(status: number): HttpProblem {
  if (NO_SUCH_OBJECT.has(status)) {
    return new HttpProblem(404, 'The file is known, but storage does not have its bytes.');
  }
  if (status === 401 || status === 403) return new HttpProblem(status, 'Storage does not accept the token.');
  if (status === 503) return new HttpProblem(503, 'Storage is not available.', { headers: { 'retry-after': '1' } });
  return new HttpProblem(502, `Storage answered ${status}.`);
}
