import type { Role } from '../../../services/contract/http.ts';
import { SERVER_NAMES, SERVICE_NAMES, type ServiceName } from '../../../services/contract/names.ts';
import { describeError, SyncproofError } from '../../core/errors.ts';
import { untilAnswers } from '../../core/time.ts';
import type { PartName } from '../../record/history.ts';
import type { Environment, ServiceAccount } from '../common/environment.ts';
import { type Journal, stopwatch } from '../common/journal.ts';
import { expectStatus } from '../process/probes.ts';

const READY_TIMEOUT_MS = 45_000;

interface AwaitReadyOptions {
  urls: Readonly<Record<ServiceName, string>>;
  accounts: Readonly<Record<Role, ServiceAccount>>;
  /** Components that do not run yet: services that need them cannot be ready, and are not asked. */
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
 * token is available.
 */
async function awaitReady({ urls, accounts, deferred, signal }: AwaitReadyOptions): Promise<void> {
  const askable = SERVICE_NAMES.filter((name) => [name, ...NEEDS[name]].every((part) => !deferred.has(part)));
  const until = (what: string, probe: () => Promise<unknown>): Promise<void> =>
    untilAnswers(probe, { what, timeoutMs: READY_TIMEOUT_MS, intervalMs: 10, intervalMsMax: 50, signal });
  const ready = askable.map((name) =>
    until(`${name} to be ready`, async () => {
      const body = await expectStatus(`${urls[name]}/health/ready`);
      // The contract's word for "alive and answering, but without Redis".
      const degraded = JSON.parse(body).cache === 'degraded';
      if (degraded && !deferred.has('redis')) throw new SyncproofError(`${name} does not see Redis`);
    }),
  );
  const token = () =>
    until('the first token', () => {
      const { clientId, clientSecret } = accounts.ADMIN;
      const body = { client_id: clientId, client_secret: clientSecret };
      return expectStatus(`${urls.admin}/api/v1/auth/token`, 200, { method: 'POST', body });
    });
  await Promise.all(askable.includes('admin') ? [...ready, token()] : ready);
}

interface StartPartsOptions {
  parts: Readonly<Record<PartName, { start(signal?: AbortSignal): Promise<void> }>>;
  deferred: readonly PartName[];
  urls: Readonly<Record<ServiceName, string>>;
  accounts: Readonly<Record<Role, ServiceAccount>>;
  journal: Journal;
  /** Reads the milliseconds since the environment's start. */
  elapsed: () => number;
  signal: AbortSignal | undefined;
}

/**
 * Starts all parts that are not deferred side by side and waits until the pipeline as a whole is ready. One that cannot
 * start ends the start of all others at once, instead of letting them run into their deadlines.
 * @returns when each part answered, in ms
 */
export async function startParts(options: StartPartsOptions): Promise<Record<string, number>> {
  const { parts, journal, elapsed } = options;
  const deferred = new Set(options.deferred);
  const failed = new AbortController();
  const signal = options.signal === undefined ? failed.signal : AbortSignal.any([options.signal, failed.signal]);
  const steps: Record<string, number> = {};
  const start = async (name: PartName): Promise<void> => {
    const sinceHere = stopwatch();
    await parts[name].start(signal);
    steps[name] = elapsed();
    journal.note('part-ready', { part: name, ms: sinceHere() });
  };
  const names = [...SERVER_NAMES, ...SERVICE_NAMES].filter((name) => !deferred.has(name));
  await Promise.allSettled(
    [...names.map(start), awaitReady({ urls: options.urls, accounts: options.accounts, deferred, signal })].map(
      (promise) => promise.catch((error: unknown) => failed.abort(error)),
    ),
  );
  options.signal?.throwIfAborted();
  failed.signal.throwIfAborted();
  return steps;
}

/** An environment before it has an owner. */
export type Running<E extends Environment = Environment> = Omit<E, 'stop' | typeof Symbol.asyncDispose>;

/** Adds the one way to end it, taken by `stop`, by disposal and by the signal. */
export async function stoppable<R extends Running>(
  environment: R,
  owned: AsyncDisposableStack,
  journal: Journal,
  signal: AbortSignal | undefined,
): Promise<R & Pick<Environment, 'stop' | typeof Symbol.asyncDispose>> {
  let stopping: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    const sinceHere = stopwatch();
    journal.note('stopping');
    signal?.removeEventListener('abort', onAbort);
    await owned.disposeAsync();
    journal.note('stopped', { ms: sinceHere() });
  };
  const stop = (): Promise<void> => (stopping ??= close());
  const onAbort = (): void => {
    stop().catch((error) => journal.note('failed', { detail: `while stopping: ${describeError(error)}` }));
  };
  signal?.addEventListener('abort', onAbort, { once: true });
  if (signal?.aborted) {
    await stop();
    signal.throwIfAborted();
  }
  return { ...environment, stop, [Symbol.asyncDispose]: stop };
}
