import type { Account } from '../common/auth.ts';
import { backoffMs, pause } from '../common/backoff.ts';
import type { Log } from '../common/log.ts';
import type { RegistryClient, StorageClient } from './clients.ts';

/** An object without a registration, or perhaps with one. */
export interface Leftover {
  fileId: string;
  objectName: string;
  /** Removes the object, also when the caller's token has expired. Never logged. */
  deletionKey: string;
  account: Account;
}

/** Resolves failed uploads in the background: afterwards there is a registered file, or nothing. */
export interface Cleanup {
  /** Certainly not registered: removes the object. Resolves after the first try; further ones run in the background. */
  discard(leftover: Leftover): Promise<void>;
  /** Perhaps registered: removes the object only when the registry says, for long enough, that it has no such file. */
  settle(leftover: Leftover): void;
}

export interface CleanupOptions {
  storage: StorageClient;
  registry: RegistryClient;
  log: Log;
  /** Aborts when the service stops; what is left then is logged. */
  signal: AbortSignal;
}

const BACKOFF = { ms: 500, msMax: 10_000 };
/** Neither tokens nor retries last for ever. */
const GIVE_UP_MS = 15 * 60_000;
/** A hanging registration may still commit when its server resumes; until then "no such file" is not conclusive. */
const DOUBT_MS = 15_000;
/** A write that hung in storage may still complete after the first removal. */
const REMOVE_AGAIN_MS = 20_000;

export function createCleanup({ storage, registry, log, signal }: CleanupOptions): Cleanup {
  async function keepTrying(what: string, leftover: Leftover, step: () => Promise<boolean>): Promise<void> {
    const { fileId, objectName } = leftover;
    const endsAtMs = performance.now() + GIVE_UP_MS;
    for (let failures = 1; !signal.aborted && performance.now() < endsAtMs; failures++) {
      await pause(backoffMs(failures, BACKOFF), signal);
      if (signal.aborted) break;
      try {
        if (await step()) return;
      } catch (error) {
        log.debug({ err: error, fileId }, `${what}: trying again`);
      }
    }
    log.error({ fileId, objectName }, `${what}: given up; the object may be left without a file`);
  }

  async function removed(leftover: Leftover): Promise<boolean> {
    await storage.remove(leftover.objectName, leftover.deletionKey);
    return true;
  }

  return {
    async discard(leftover) {
      try {
        await removed(leftover);
      } catch (error) {
        log.warn({ err: error, objectName: leftover.objectName }, 'an object could not be removed, trying again');
        const againAtMs = performance.now() + REMOVE_AGAIN_MS;
        void keepTrying('discarding an object', leftover, async () => {
          return (await removed(leftover)) && performance.now() >= againAtMs;
        });
      }
    },
    settle(leftover) {
      let absentSinceMs: number | undefined;
      void keepTrying('settling an upload', leftover, async () => {
        const file = await registry.find(leftover.fileId, leftover.account);
        if (file !== undefined) {
          log.info({ fileId: leftover.fileId }, 'an upload whose answer was lost is registered');
          return true;
        }
        absentSinceMs ??= performance.now();
        if (performance.now() - absentSinceMs < DOUBT_MS) return false;
        return removed(leftover);
      });
    },
  };
}
