import { open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pollUntil } from '../../harness/index.ts';
import { currentRun } from './run.ts';

const TURN_TIMEOUT_MS = 100_000;

/**
 * Lets one environment of the run start at a time. Starting costs all cores for a moment: several at once would starve
 * each other, and the cases that already run beside them.
 */
export async function inTurn<T>(start: () => Promise<T>): Promise<T> {
  const { context, signal } = currentRun();
  const path = join(context.outputDirectory, '.environment-starting');
  await pollUntil(() => take(path), {
    what: 'this environment to have its turn to start',
    timeoutMs: TURN_TIMEOUT_MS,
    intervalMs: 25,
    intervalMsMax: 50,
    signal,
  });
  try {
    return await start();
  } finally {
    await rm(path, { force: true });
  }
}

/** Makes the lock file with this process's id in it; undefined while another living process has it. */
async function take(path: string): Promise<true | undefined> {
  try {
    await using file = await open(path, 'wx');
    await file.writeFile(String(process.pid));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const owner = Number(await readFile(path, 'utf8'));
  // Empty for the moment between being made and being written.
  if (owner > 0 && !isAlive(owner)) await rm(path, { force: true });
  return undefined;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
