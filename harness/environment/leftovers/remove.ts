import { pollUntil } from '../../core/time.ts';
import { markedProcesses, processTree, signalProcess } from '../process/table.ts';
import { releaseSharedMemory } from '../servers/postgres.ts';
import {
  environmentFolders,
  isAlive,
  MARK_VARIABLE,
  type Marker,
  notedProcesses,
  presumedMarker,
  readMarker,
  removeFolders,
} from './marker.ts';

const KILL_TIMEOUT_MS = 10_000;

/** Every process that belongs to the environment. */
export async function processesOf(marker: Marker): Promise<number[]> {
  const noted = (await notedProcesses(marker)).flatMap(processTree);
  return [...new Set([...noted, ...markedProcesses(`${MARK_VARIABLE}=${marker.id}`, marker.folders)])];
}

/**
 * Kills what is left of an environment and removes its folders, whichever process started it.
 * @throws DeadlineError when a process survives SIGKILL
 */
export async function removeLeftovers(marker: Marker): Promise<void> {
  await pollUntil(
    async () => {
      const pids = await processesOf(marker);
      for (const pid of pids) signalProcess(pid, 'SIGKILL');
      return pids.length === 0 ? true : undefined;
    },
    { what: `the processes of environment ${marker.id} to be gone`, timeoutMs: KILL_TIMEOUT_MS, intervalMs: 10 },
  );
  await releaseSharedMemory(marker.postgresData);
  if (marker.containers) {
    // Only where there are any: the library takes a while to load.
    const { removeContainers } = await import('../common/docker.ts');
    await removeContainers(marker.id);
  }
  await removeFolders(marker);
}

/**
 * Removes environments whose harness and watchdog are both dead (a power cut, a kill of everything).
 * Gives the ids of those it removed.
 */
export async function sweep(): Promise<string[]> {
  const removed: string[] = [];
  const errors: unknown[] = [];
  for (const home of await environmentFolders()) {
    // One that cannot be removed now (its Docker daemon is down, say) must not keep the others from it.
    try {
      const marker = await deadMarker(home);
      if (marker === undefined) continue;
      await removeLeftovers(marker);
      removed.push(marker.id);
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw new AggregateError(errors, 'Some leftovers cannot be removed');
  return removed;
}

/** The marker of an orphaned environment; undefined when its harness or watchdog lives, or may live. */
async function deadMarker(home: string): Promise<Marker | undefined> {
  const marker = await readMarker(home).catch((error: unknown) => {
    // Half of one, say after a full disk: whose it was cannot be known any more.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  });
  if (marker === undefined) return presumedMarker(home);
  const watched = marker.watchdog !== undefined && isAlive(marker.watchdog);
  return watched || isAlive(marker.harness) ? undefined : marker;
}
