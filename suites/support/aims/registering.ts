import { setInterval } from 'node:timers/promises';
import { registerPlain } from '../registrations.ts';
import type { Aiming } from './aim.ts';

const EVERY_MS = 20;

export interface Registering extends AsyncDisposable {
  /** Ends it once the registration under way is answered. @returns the files' ids @throws what a registration threw */
  stop(): Promise<string[]>;
}

/** Registers one file after the other, so that whoever publishes or reads always has something of this aim in hand. */
export function keepRegistering({ pipeline, unique, signal }: Aiming): Registering {
  const over = new AbortController();
  const fileIds: string[] = [];
  const run = async (): Promise<string[]> => {
    for await (const _tick of setInterval(EVERY_MS, undefined, { signal })) {
      if (over.signal.aborted) break;
      fileIds.push((await registerPlain(pipeline, `${unique}-one-of-many-${fileIds.length}.txt`)).file_id);
    }
    return fileIds;
  };
  const running = run();
  // Heard by whoever stops it.
  running.catch(() => {});
  const stop = (): Promise<string[]> => {
    over.abort();
    return running;
  };
  return {
    stop,
    async [Symbol.asyncDispose]() {
      await stop().catch(() => {});
    },
  };
}
