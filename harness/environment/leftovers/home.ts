import { fileURLToPath } from 'node:url';
import { engineVariables, machineSettings } from '../../config/machine.ts';
import { nodeArguments } from '../../config/settings.ts';
import { describeError, UnreachableError } from '../../core/errors.ts';
import type { Journal } from '../common/journal.ts';
import { startGuard } from '../process/guard.ts';
import { createMarker, identityOf, type Marker, type ProcessIdentity, removeFolders, saveMarker } from './marker.ts';
import { sweep } from './remove.ts';

const MAIN = fileURLToPath(import.meta.resolve('./watchdog-main.ts'));

/** Starts the watchdog of an environment, which removes what is left when this process was killed. */
async function startWatchdog(home: string): Promise<{ identity: ProcessIdentity; dismiss(): Promise<void> }> {
  const { childEnvironment, cacheDirectory } = machineSettings();
  const env = { ...engineVariables(), ...childEnvironment, SYNCPROOF_CACHE: cacheDirectory };
  const { started, dismiss } = startGuard('syncproof-watchdog', [process.execPath, ...nodeArguments(), MAIN, home], {
    env,
  });
  const pid = await started.catch((cause: unknown) => {
    throw new UnreachableError('Cannot start the watchdog (/bin/sh)', { cause });
  });
  return { identity: identityOf(pid), dismiss };
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
