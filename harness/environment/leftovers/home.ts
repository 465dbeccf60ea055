import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { engineVariables, machineSettings } from '../../config/machine.ts';
import { nodeArguments } from '../../config/settings.ts';
import { describeError, UnreachableError } from '../../core/errors.ts';
import type { Journal } from '../journal.ts';
import { createMarker, identityOf, type Marker, type ProcessIdentity, removeFolders, saveMarker } from './marker.ts';
import { sweep } from './remove.ts';

/** What the harness says before it goes in order; anything else at the end of the pipe means it was killed. */
const FAREWELL = 'done';
const MAIN = fileURLToPath(import.meta.resolve('./watchdog-main.ts'));

// A shell waits, which costs next to nothing; node starts only when there is something to do.
const SCRIPT = `read -r word; [ "$word" = ${FAREWELL} ] || exec "$@"`;

export interface Watchdog {
  readonly identity: ProcessIdentity;
  /** Sends it home: the environment was removed in order. */
  dismiss(): Promise<void>;
}

/**
 * Starts the watchdog of an environment: a process of its own session at the other end of a pipe from this one. When
 * this process ends in whatever way, the kernel closes the pipe, and the watchdog removes what is left.
 */
async function startWatchdog(home: string): Promise<Watchdog> {
  const { childEnvironment, cacheDirectory } = machineSettings();
  const node = [process.execPath, ...nodeArguments()];
  const child = spawn('/bin/sh', ['-c', SCRIPT, 'syncproof-watchdog', ...node, MAIN, home], {
    detached: true,
    cwd: '/',
    env: { ...engineVariables(), ...childEnvironment, SYNCPROOF_CACHE: cacheDirectory },
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  if (child.pid === undefined) {
    const [cause] = await new Promise<[Error]>((resolve) => child.once('error', (error) => resolve([error])));
    throw new UnreachableError('Cannot start the watchdog (/bin/sh)', { cause });
  }
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  // It was killed by somebody: nothing to tell it any more, and the next start's sweep stands in for it.
  child.stdin.on('error', () => {});
  child.unref();
  if ('unref' in child.stdin && typeof child.stdin.unref === 'function') child.stdin.unref();
  return {
    identity: identityOf(child.pid),
    async dismiss() {
      child.ref();
      child.stdin.end(`${FAREWELL}\n`);
      await exited;
    },
  };
}

export interface Home extends Marker {
  /** Folder on disk for what is small: logs, accounts. */
  home: string;
  /** Folder for the servers' data, in memory or on disk. */
  data: string;
}

/**
 * Makes an environment's folders, puts a watchdog beside them, and clears away what dead harnesses left behind.
 * `resources` owns all of it.
 */
export async function openHome(
  resources: AsyncDisposableStack,
  storage: 'memory' | 'disk',
  open: (id: string) => Journal,
  containers = false,
): Promise<{ home: Home; journal: Journal }> {
  const home = await createMarker(storage, containers);
  resources.defer(() => removeFolders(home));
  const journal = open(home.id);
  journal.note('starting');
  const watchdog = await startWatchdog(home.home);
  resources.defer(() => watchdog.dismiss());
  await saveMarker({ ...home, watchdog: watchdog.identity });
  // On the side; and what cannot be cleared must not keep this environment from starting.
  const swept = sweep().then(
    (ids) => {
      if (ids.length > 0) journal.note('starting', { detail: `removed leftovers of ${ids.join(', ')}` });
    },
    (error) => journal.note('starting', { detail: `leftovers remain: ${describeError(error)}` }),
  );
  resources.defer(() => swept);
  return { home, journal };
}
