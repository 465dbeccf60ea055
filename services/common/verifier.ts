import type { Agent } from 'undici';
import { type Authenticator, createAuthenticator, createJwksKeySource } from './auth.ts';
import { getJson } from './calls.ts';

/** Checks tokens with the keys that admin publishes, which it begins to fetch at once. Settings: see `verifierSettings`. */
export function createRemoteAuthenticator(
  config: { AUTH_ISSUER: string; ADMIN_URL: string; JWKS_URL?: string | undefined },
  agent: Agent,
): Authenticator {
  const keys = createJwksKeySource({
    url: config.JWKS_URL ?? `${config.ADMIN_URL}/.well-known/jwks.json`,
    fetchJson: (url, timeoutMs) => getJson(agent, url, timeoutMs),
  });
  // Admin may not be there yet; then the first call fetches them.
  keys('').catch(() => {});
  return createAuthenticator({ issuer: config.AUTH_ISSUER, keys });
}
