import { Readable } from 'node:stream';
import { type Agent, request } from 'undici';
import { z } from 'zod';
import type { Account } from '../common/auth.ts';
import { TimeoutError } from '../common/backoff.ts';
import { HttpProblem } from '../common/problem.ts';
import { type RegistryFile, registryFileSchema } from '../contract/http.ts';

/** Longer than admin waits for its database, so that most outcomes are known. */
const REGISTER_TIMEOUT_MS = 8000;
const READ_TIMEOUT_MS = 2000;

/**
 * What became of a registration. `refused`: certainly not registered, for the caller's fault (its status and detail).
 * `absent`: certainly not registered, admin was not reached. `unknown`: no answer, or a 5xx: it may be, now or later.
 */
export type Registered =
  | { outcome: 'registered'; file: RegistryFile }
  | { outcome: 'refused'; status: number; detail: string }
  | { outcome: 'absent'; cause: unknown }
  | { outcome: 'unknown'; cause: unknown };

export interface RegistryClient {
  register(file: Record<string, unknown>, account: Account, headers: Record<string, string>): Promise<Registered>;
  /** @returns undefined when admin says that there is no such file @throws when it does not answer */
  find(fileId: string, account: Account): Promise<RegistryFile | undefined>;
}

/** True when not one byte of the request can have been read by the other side. */
function neverSent(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  return code === 'ECONNREFUSED' || code === 'ENOTFOUND' || code === 'UND_ERR_CONNECT_TIMEOUT';
}

async function detailOf(body: { json(): Promise<unknown> }): Promise<string> {
  try {
    const { detail } = (await body.json()) as { detail?: unknown };
    return typeof detail === 'string' ? detail : 'The registry refused the file.';
  } catch {
    // The status says enough.
    return 'The registry refused the file.';
  }
}

export function createRegistryClient(baseUrl: string, agent: Agent): RegistryClient {
  return {
    async register(file, { token }, headers) {
      try {
        const answer = await request(`${baseUrl}/api/v1/files`, {
          dispatcher: agent,
          method: 'POST',
          headers: { ...headers, authorization: `Bearer ${token}`, 'content-type': 'application/json' },
          body: JSON.stringify(file),
          signal: AbortSignal.timeout(REGISTER_TIMEOUT_MS),
        });
        const { statusCode: status, body } = answer;
        if (status === 201) return { outcome: 'registered', file: registryFileSchema.parse(await body.json()) };
        if (status >= 400 && status < 500) return { outcome: 'refused', status, detail: await detailOf(body) };
        await body.dump();
        return { outcome: 'unknown', cause: new Error(`Admin answered ${status} to a registration`) };
      } catch (cause) {
        return { outcome: neverSent(cause) ? 'absent' : 'unknown', cause };
      }
    },
    async find(fileId, { token }) {
      const { statusCode, body } = await request(`${baseUrl}/api/v1/files/${fileId}`, {
        dispatcher: agent,
        headers: { authorization: `Bearer ${token}` },
        signal: AbortSignal.timeout(READ_TIMEOUT_MS),
      });
      if (statusCode === 200) return registryFileSchema.parse(await body.json());
      await body.dump();
      if (statusCode === 404) return undefined;
      throw new Error(`Admin answered ${statusCode} to a read`);
    },
  };
}

const storedSchema = z.object({
  storage_path: z.string(),
  storage_element_id: z.string(),
  size: z.number(),
  checksum_sha256: z.string(),
});
const deletionKeySchema = z.object({ deletion_key: z.string() });
export type StoredObject = z.output<typeof storedSchema>;

/** From the end of the bytes to the answer. */
const ANSWER_TIMEOUT_MS = 10_000;
const DELETE_TIMEOUT_MS = 2000;
/** Requested before the bytes; the longest that a client waits during an outage of storage. */
const KEY_TIMEOUT_MS = 5000;

export interface StorageClient {
  /**
   * The key that removes an object which is about to be stored: it works when the caller's token has expired, and must
   * neither be logged nor reach the caller. @throws HttpProblem 503, or the caller's 401/403
   */
  deletionKey(name: string, account: Account): Promise<string>;
  /** Streams bytes into an object. @throws HttpProblem 503, the caller's 401/403, or what `bytes` threw */
  put(name: string, bytes: AsyncIterable<Buffer>, account: Account): Promise<StoredObject>;
  /** @throws when storage did not confirm that the object is gone */
  remove(name: string, deletionKey: string): Promise<void>;
}

function refusal(status: number): HttpProblem {
  return new HttpProblem(status === 401 || status === 403 ? status : 503, `Storage answered ${status}.`);
}

export function createStorageClient(baseUrl: string, agent: Agent): StorageClient {
  const urlOf = (name: string): string => `${baseUrl}/api/v1/objects/${encodeURIComponent(name)}`;
  return {
    async deletionKey(name, { token }) {
      let answer: Awaited<ReturnType<typeof request>>;
      try {
        answer = await request(`${urlOf(name)}/deletion-key`, {
          dispatcher: agent,
          method: 'POST',
          headers: { authorization: `Bearer ${token}` },
          signal: AbortSignal.timeout(KEY_TIMEOUT_MS),
        });
        if (answer.statusCode === 200) return deletionKeySchema.parse(await answer.body.json()).deletion_key;
        await answer.body.dump();
      } catch (cause) {
        throw new HttpProblem(503, 'Storage is not available.', { cause, headers: { 'retry-after': '1' } });
      }
      throw refusal(answer.statusCode);
    },
    async put(name, bytes, { token }) {
      const late = new AbortController();
      let timer: NodeJS.Timeout | undefined;
      async function* thenAnswer(): AsyncGenerator<Buffer> {
        yield* bytes;
        // The bytes take as long as the client takes; the answer to them does not.
        timer = setTimeout(() => late.abort(new TimeoutError('Storage does not answer')), ANSWER_TIMEOUT_MS);
      }
      const answer = await request(urlOf(name), {
        dispatcher: agent,
        method: 'PUT',
        signal: late.signal,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/octet-stream' },
        body: Readable.from(thenAnswer(), { objectMode: false }),
        headersTimeout: ANSWER_TIMEOUT_MS,
      }).finally(() => clearTimeout(timer));
      if (answer.statusCode === 201) return storedSchema.parse(await answer.body.json());
      await answer.body.dump();
      throw refusal(answer.statusCode);
    },
    async remove(name, deletionKey) {
      const answer = await request(urlOf(name), {
        dispatcher: agent,
        method: 'DELETE',
        headers: { 'x-deletion-key': deletionKey },
        signal: AbortSignal.timeout(DELETE_TIMEOUT_MS),
      });
      await answer.body.dump();
      if (answer.statusCode !== 204) throw new Error(`Storage answered ${answer.statusCode} to a DELETE`);
    },
  };
}
