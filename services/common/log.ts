import { type Logger, pino } from 'pino';
import type { ServiceName } from '../../harness/contract/names.ts';

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

/** Tells a repeated trouble once when it begins and once when it ends, however often it is reported in between. */
export interface TroubleLog {
  begin(error: unknown): void;
  end(): void;
}

export function troubleLog(log: Log, what: string): TroubleLog {
  let since: number | undefined;
  return {
    begin(error) {
      if (since === undefined) log.warn({ err: error }, `${what}: trouble begins`);
      else log.debug({ err: error }, `${what}: trouble goes on`);
      since ??= Date.now();
    },
    end() {
      if (since !== undefined) log.info({ troubleMs: Date.now() - since }, `${what}: trouble is over`);
      since = undefined;
    },
  };
}
