import type { Role } from '../contract/http.ts';
import { SERVICE_NAMES, type ServiceName } from '../contract/names.ts';
import { SyncproofError } from '../core/errors.ts';
import { pollUntil } from '../core/poll.ts';
import type { PartName } from '../record/history.ts';
import type { ServiceAccount } from './environment.ts';
import { expectStatus } from './process/probes.ts';

const READY_TIMEOUT_MS = 45_000;

export interface AwaitReadyOptions {
  urls: Readonly<Record<ServiceName, string>>;
  accounts: Readonly<Record<Role, ServiceAccount>>;
  /** Parts that are not there yet: whoever needs them cannot be ready, and is not asked. */
  deferred: ReadonlySet<PartName>;
  signal: AbortSignal;
}

/** What must be there before a service can be ready. Redis is never among it: without it a service is degraded. */
const NEEDS: Readonly<Record<ServiceName, readonly PartName[]>> = {
  storage: [],
  admin: ['postgres'],
  ingester: ['storage', 'admin', 'postgres'],
  query: ['postgres'],
};

/**
 * Waits until every service that has what it needs says it is ready and sees Redis (where that is there), and the first
 * token can be had.
 */
export async function awaitReady({ urls, accounts, deferred, signal }: AwaitReadyOptions): Promise<void> {
  const askable = SERVICE_NAMES.filter((name) => [name, ...NEEDS[name]].every((part) => !deferred.has(part)));
  const until = (what: string, probe: () => Promise<void>): Promise<unknown> =>
    pollUntil(() => probe().then(() => true as const), {
      what,
      timeoutMs: READY_TIMEOUT_MS,
      intervalMs: 10,
      intervalMsMax: 50,
      signal,
    });
  const ready = askable.map((name) =>
    until(`${name} to be ready`, async () => {
      const body = await expectStatus(`${urls[name]}/health/ready`);
      // The contract's word for "alive and answering, but Redis is away".
      const degraded = JSON.parse(body).cache === 'degraded';
      if (degraded && !deferred.has('redis')) throw new SyncproofError(`${name} does not see Redis`);
    }),
  );
  const token = () =>
    until('the first token', async () => {
      const { clientId, clientSecret } = accounts.ADMIN;
      const body = { client_id: clientId, client_secret: clientSecret };
      await expectStatus(`${urls.admin}/api/v1/auth/token`, 200, { method: 'POST', body });
    });
  await Promise.all(askable.includes('admin') ? [...ready, token()] : ready);
}
