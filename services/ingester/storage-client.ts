import { Readable } from 'node:stream';
import type { Agent } from 'undici';
import { request } from 'undici';
import { z } from 'zod';
import type { Account } from '../common/auth.ts';
import { TimeoutError } from '../common/backoff.ts';
import { HttpProblem } from '../common/problem.ts';

const storedSchema = z.object({
  storage_path: z.string(),
  storage_element_id: z.string(),
  size: z.number(),
  checksum_sha256: z.string(),
});
export type StoredObject = z.output<typeof storedSchema>;

/** From the end of the bytes to the answer. */
const ANSWER_TIMEOUT_MS = 10_000;
const DELETE_TIMEOUT_MS = 2000;

export interface StorageClient {
  /** Streams bytes into an object. @throws HttpProblem 503, the caller's 401/403, or what `bytes` threw */
  put(name: string, bytes: AsyncIterable<Buffer>, account: Account): Promise<StoredObject>;
  /** @throws when storage did not confirm that the object is gone */
  remove(name: string, account: Account): Promise<void>;
}

export function createStorageClient(baseUrl: string, agent: Agent): StorageClient {
  const urlOf = (name: string): string => `${baseUrl}/api/v1/objects/${encodeURIComponent(name)}`;
  return {
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
      const passedOn = answer.statusCode === 401 || answer.statusCode === 403;
      throw new HttpProblem(passedOn ? answer.statusCode : 503, `Storage answered ${answer.statusCode}.`);
    },
    async remove(name, { token }) {
      const answer = await request(urlOf(name), {
        dispatcher: agent,
        method: 'DELETE',
        headers: { authorization: `Bearer ${token}` },
        signal: AbortSignal.timeout(DELETE_TIMEOUT_MS),
      });
      await answer.body.dump();
      if (answer.statusCode !== 204) throw new Error(`Storage answered ${answer.statusCode} to a DELETE`);
    },
  };
}
