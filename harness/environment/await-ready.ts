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
  /** Parts that are not there yet: whoever depends on them cannot be ready, so nobody is asked. */
  deferred: ReadonlySet<PartName>;
  signal: AbortSignal;
}

/** Waits until every service says it is ready, query sees Redis, and the first token can be had. */
export async function awaitReady({ urls, accounts, deferred, signal }: AwaitReadyOptions): Promise<void> {
  if (deferred.size > 0) return;
  const until = (what: string, probe: () => Promise<void>): Promise<unknown> =>
    pollUntil(() => probe().then(() => true as const), {
      what,
      timeoutMs: READY_TIMEOUT_MS,
      intervalMs: 10,
      intervalMsMax: 50,
      signal,
    });
  await Promise.all([
    ...SERVICE_NAMES.map((name) =>
      until(`${name} to be ready`, async () => {
        const body = await expectStatus(`${urls[name]}/health/ready`);
        // The contract's word for "alive and answering, but Redis is away".
        if (JSON.parse(body).cache === 'degraded') throw new SyncproofError(`${name} does not see Redis`);
      }),
    ),
    until('the first token', async () => {
      const { clientId, clientSecret } = accounts.ADMIN;
      const body = { client_id: clientId, client_secret: clientSecret };
      await expectStatus(`${urls.admin}/api/v1/auth/token`, 200, { method: 'POST', body });
    }),
  ]);
}
