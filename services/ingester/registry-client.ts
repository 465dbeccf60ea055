import type { Agent } from 'undici';
import { request } from 'undici';
import { type RegistryFile, registryFileSchema } from '../../harness/contract/http.ts';
import type { Account } from '../common/auth.ts';

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
  /** @returns undefined when admin says that there is no such file @throws when it does not say */
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
