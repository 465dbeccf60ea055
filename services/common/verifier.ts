import type { Agent } from 'undici';
import { type Authenticator, createAuthenticator, createJwksKeySource } from './auth.ts';
import { retryUntilDone } from './backoff.ts';
import { getJson } from './calls.ts';

/**
 * Checks tokens with the keys that admin publishes. They are fetched from the start on until admin has answered once, so
 * that they are there when admin is away later. Settings: see `verifierSettings`.
 */
export function createRemoteAuthenticator(
  config: { AUTH_ISSUER: string; ADMIN_URL: string; JWKS_URL?: string | undefined },
  agent: Agent,
  signal: AbortSignal,
): Authenticator {
  const keys = createJwksKeySource({
    url: config.JWKS_URL ?? `${config.ADMIN_URL}/.well-known/jwks.json`,
    fetchJson: (url, timeoutMs) => getJson(agent, url, timeoutMs),
  });
  const fetching = retryUntilDone(() => keys(''), { ms: 200, msMax: 2000, signal, onFailure: () => {} });
  // It ends early only when the service does.
  fetching.catch(() => {});
  return createAuthenticator({ issuer: config.AUTH_ISSUER, keys });
}
