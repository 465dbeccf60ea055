import { PROFILES, SERVICE_NAMES, type ServiceName } from '../../contract/names.ts';
import type { EnvironmentOptions } from '../environment.ts';

/** What the services need to know of their surroundings, whatever they run in; addresses are as they see them. */
export interface Wiring {
  options: EnvironmentOptions;
  /** Base URL of a service, for the other services. */
  url(name: ServiceName): string;
  /** The addresses that lead through the proxies. */
  redisUrl(service: 'admin' | 'query'): string;
  databaseUrl(service: 'admin' | 'query'): string;
  /** Where storage keeps its objects. */
  objectDirectory: string;
  keyFile: string;
  clientsFile: string;
}

/** Environment variables of each service: the profile's, then what connects it, then those of the run over all others. */
export function serviceSettings(wiring: Wiring): Record<ServiceName, Record<string, string>> {
  const urls = Object.fromEntries(SERVICE_NAMES.map((name) => [`${name.toUpperCase()}_URL`, wiring.url(name)]));
  const servers = (name: 'admin' | 'query'): Record<string, string> => ({
    REDIS_URL: wiring.redisUrl(name),
    DATABASE_URL: wiring.databaseUrl(name),
  });
  const { profile, settings } = wiring.options;
  const all = (name: ServiceName, own: Record<string, string>): Record<string, string> => ({
    ...PROFILES[profile],
    ...own,
    ...settings?.[name],
  });
  return {
    storage: all('storage', { ...urls, STORAGE_DIR: wiring.objectDirectory }),
    admin: all('admin', {
      ...servers('admin'),
      AUTH_PRIVATE_KEY_FILE: wiring.keyFile,
      AUTH_CLIENTS_FILE: wiring.clientsFile,
    }),
    ingester: all('ingester', urls),
    query: all('query', { ...urls, ...servers('query') }),
  };
}
