import { type Logger, pino } from 'pino';
import { collectDefaultMetrics, Histogram, Registry } from 'prom-client';
import type { ServiceName } from '../contract/names.ts';

export type Log = Logger;

/** Paths whose values never reach a log line. */
const SECRETS = [
  'authorization',
  'headers.authorization',
  'req.headers.authorization',
  'headers["x-deletion-key"]',
  'req.headers["x-deletion-key"]',
  'deletion_key',
  'deletionKey',
  'leftover.deletionKey',
  'client_secret',
  'body.client_secret',
  'access_token',
  'password',
  'err.config',
  'err.client',
  'DATABASE_URL',
  'REDIS_URL',
  'config.DATABASE_URL',
  'config.REDIS_URL',
];

/** JSON lines on stdout, with ISO 8601 UTC times. */
export function createLog(service: ServiceName, level: string): Log {
  return pino({
    level,
    base: { service, pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: { paths: SECRETS, censor: '[redacted]' },
  });
}

/** Logs a repeated failure once when it begins and once when it ends, however often it is reported in between. */
export interface TroubleLog {
  begin(error: unknown): void;
  end(): void;
}

export function troubleLog(log: Log, what: string): TroubleLog {
  let since: number | undefined;
  return {
    begin(error) {
      if (since === undefined) log.warn({ err: error }, `${what}: trouble begins`);
      else log.debug({ err: error }, `${what}: still failing`);
      since ??= Date.now();
    },
    end() {
      if (since !== undefined) log.info({ troubleMs: Date.now() - since }, `${what}: recovered`);
      since = undefined;
    },
  };
}

export interface ServiceMetrics {
  readonly registry: Registry;
  /** Seconds per request, by method, route pattern and status. */
  readonly httpSeconds: Histogram<'method' | 'route' | 'status'>;
}

/** A registry of its own (nothing global), with the process's figures and the HTTP histogram in it. */
export function createMetrics(service: ServiceName): ServiceMetrics {
  const registry = new Registry();
  registry.setDefaultLabels({ service });
  collectDefaultMetrics({ register: registry });
  const httpSeconds = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Time from the request line to the end of the answer.',
    labelNames: ['method', 'route', 'status'] as const,
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [registry],
  });
  return { registry, httpSeconds };
}
