import { type Agent, request } from 'undici';
import type { z } from 'zod';
import { tokenAnswerSchema } from '../contract/http.ts';
import {
  type BucketDigest,
  type BucketEntry,
  bucketEntriesSchema,
  digestsSchema,
  type RegistryState,
  statesSchema,
} from '../contract/reconciliation.ts';

/** Admin's data, for the comparison with this service's. */
export interface RegistryClient {
  digests(): Promise<BucketDigest[]>;
  entries(bucket: number): Promise<BucketEntry[]>;
  states(ids: readonly string[]): Promise<RegistryState[]>;
}

export interface RegistryAccess {
  adminUrl: string;
  clientId: string;
  clientSecret: string;
  agent: Agent;
  /** Cancels requests in flight. */
  signal: AbortSignal;
}

/** The registry does not offer a comparison: retrying does not help. */
export class NotOfferedError extends Error {
  override readonly name = 'NotOfferedError';
}

/** Digests of a million files take a second or two. */
const TIMEOUT_MS = 30_000;
/** A token is replaced when less than this is left of its life. */
const TOKEN_MARGIN_MS = 30_000;

export function createRegistryClient({
  adminUrl,
  clientId,
  clientSecret,
  agent,
  signal,
}: RegistryAccess): RegistryClient {
  let token: { value: string; untilMs: number } | undefined;

  async function send(method: 'GET' | 'POST', path: string, body?: unknown, bearer?: string): Promise<unknown> {
    const answer = await request(`${adminUrl}${path}`, {
      dispatcher: agent,
      method,
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
      },
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
    if (answer.statusCode === 200) return answer.body.json();
    await answer.body.dump();
    if (answer.statusCode === 401) token = undefined;
    const what = `${method} ${path} of admin answered ${answer.statusCode}`;
    throw answer.statusCode === 404 || answer.statusCode === 405 ? new NotOfferedError(what) : new Error(what);
  }

  async function bearer(): Promise<string> {
    if (token !== undefined && Date.now() < token.untilMs) return token.value;
    const credentials = { client_id: clientId, client_secret: clientSecret };
    const { access_token, expires_in } = tokenAnswerSchema.parse(await send('POST', '/api/v1/auth/token', credentials));
    token = { value: access_token, untilMs: Date.now() + expires_in * 1000 - TOKEN_MARGIN_MS };
    return access_token;
  }

  async function ask<T>(schema: z.ZodType<T>, method: 'GET' | 'POST', path: string, body?: unknown): Promise<T> {
    return schema.parse(await send(method, path, body, await bearer()));
  }

  return {
    digests: async () => (await ask(digestsSchema, 'GET', '/api/v1/sync/digests')).buckets,
    entries: async (bucket) => (await ask(bucketEntriesSchema, 'GET', `/api/v1/sync/buckets/${bucket}`)).entries,
    states: async (ids) => (await ask(statesSchema, 'POST', '/api/v1/sync/files', { ids })).files,
  };
}
