import type { Role } from '../contract/http.ts';
import { SERVER_NAMES, SERVICE_NAMES, type ServiceName } from '../contract/names.ts';
import type { PartName } from '../record/history.ts';
import { awaitReady } from './await-ready.ts';
import type { ServiceAccount } from './environment.ts';
import { type Journal, stopwatch } from './journal.ts';

export interface StartPartsOptions {
  parts: Readonly<Record<PartName, { start(signal?: AbortSignal): Promise<void> }>>;
  deferred: readonly PartName[];
  urls: Readonly<Record<ServiceName, string>>;
  accounts: Readonly<Record<Role, ServiceAccount>>;
  journal: Journal;
  /** Reads the milliseconds since the environment's start. */
  elapsed: () => number;
  signal?: AbortSignal;
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
