import type { z } from 'zod';
import type { ServiceName } from '../contract/names.ts';
import { retryUntilDone, within } from './backoff.ts';
import { type CommonSettings, loadSettings, SettingsError } from './config.ts';
import type { HttpService } from './http.ts';
import { createLog, type Log } from './log.ts';

/** Requests in flight get this long to finish after SIGTERM … */
const DRAIN_MS = 6000;
/** … and the rest (pools, clients, loops) this long in all. Together with the drain under 10 s. */
const RELEASE_MS = 2500;
/** How long a start waits for its preparation (migrations) before it listens anyway and answers 503. */
const PREPARE_FIRST_MS = 1500;

export interface ServiceContext<Config> {
  config: Config;
  log: Log;
  /** What must be released at the end; in reverse order, after the last request was answered. */
  resources: AsyncDisposableStack;
  /** Aborts when the service begins to stop. */
  signal: AbortSignal;
}

export interface BuiltService {
  app: HttpService;
  /**
   * What must succeed before the service can work, e.g. migrations; tried until it does. The service listens meanwhile:
   * alive, not ready.
   */
  prepare?: () => Promise<void>;
}

/**
 * Runs a service: loads its settings, builds it, listens, logs `listening` with the url, and drains on SIGTERM or
 * SIGINT within 10 s, whatever hangs. Exit codes: 0 stopped by a signal, 1 unexpected error, 2 wrong settings.
 */
export async function runService<Shape extends ReturnType<() => Record<string, z.ZodType>>>(
  name: ServiceName,
  settings: Shape,
  build: (context: ServiceContext<z.output<z.ZodObject<Shape>>>) => Promise<BuiltService>,
): Promise<void> {
  process.title = `syncproof-${name}`;
  const bootLog = createLog(name, 'info');
  let config: z.output<z.ZodObject<Shape>>;
  try {
    config = loadSettings(settings);
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    bootLog.fatal(error.message);
    process.exit(2);
  }
  const common = config as unknown as CommonSettings;
  const log = createLog(name, common.LOG_LEVEL);
  const stop = new AbortController();
  const resources = new AsyncDisposableStack();
  endOnUnexpected(log);

  const { app, prepare } = await build({ config, log, resources, signal: stop.signal });
  stopOnSignals(log, async () => {
    stop.abort(new Error('the service is stopping'));
    await releaseAll(log, app, resources);
  });
  if (prepare !== undefined) {
    const prepared = retryUntilDone(prepare, {
      ms: 100,
      msMax: 1000,
      signal: stop.signal,
      onFailure: (error, failures) => log.warn({ err: error, failures }, 'not prepared yet, trying again'),
    });
    prepared.catch((error: unknown) => {
      if (!stop.signal.aborted) throw error;
    });
    await within(PREPARE_FIRST_MS, 'preparing', prepared).catch(() => {
      // Logged by onFailure. Listening now lets health report what is missing.
    });
  }
  if (stop.signal.aborted) return;
  const url = await app.listen({ host: common.HOST, port: common.PORT, listenTextResolver: () => 'socket open' });
  log.info({ url, bootMs: Math.round(performance.now()) }, 'listening');
}

async function releaseAll(log: Log, app: HttpService, resources: AsyncDisposableStack): Promise<void> {
  const steps: [string, number, () => Promise<void>][] = [
    ['requests in flight', DRAIN_MS, () => app.close().then(() => {})],
    ['resources', RELEASE_MS, () => resources.disposeAsync()],
  ];
  for (const [what, ms, step] of steps) {
    try {
      await within(ms, `releasing ${what}`, step());
    } catch (error) {
      log.warn({ err: error }, `${what} were not released in time or cleanly`);
    }
  }
}

function stopOnSignals(log: Log, release: () => Promise<void>): void {
  let stopping = false;
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping) return;
    stopping = true;
    log.info({ signal }, 'stopping');
    const startedAt = performance.now();
    void release().finally(() => {
      log.info({ ms: Math.round(performance.now() - startedAt) }, 'stopped');
      process.exit(0);
    });
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

function endOnUnexpected(log: Log): void {
  const end = (error: unknown): void => {
    log.fatal({ err: error }, 'uncaught error');
    process.exit(1);
  };
  process.on('uncaughtException', end);
  process.on('unhandledRejection', end);
}
