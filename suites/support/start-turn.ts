import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { monotonicMs, pollUntil } from '../../harness/index.ts';
import { currentRun } from './run.ts';

const TURN_TIMEOUT_MS = 100_000;

let tickets = 0;

/**
 * Lets one environment of the run start at a time, first come, first served. Starting costs all cores for a moment:
 * several at once would starve each other, and the cases that already run beside them.
 */
export async function inTurn<T>(start: () => Promise<T>): Promise<T> {
  const { context, signal } = currentRun();
  const folder = join(context.outputDirectory, '.environments-starting');
  await mkdir(folder, { recursive: true });
  // The monotonic clock is the same for all processes of a machine, and names of one length sort as their numbers do.
  const ticket = `${monotonicMs().toFixed(3).padStart(20, '0')}-${process.pid}-${tickets++}`;
  const path = join(folder, ticket);
  await writeFile(path, '');
  try {
    await pollUntil(() => isDue(folder, ticket), {
      what: 'this environment to have its turn to start',
      timeoutMs: TURN_TIMEOUT_MS,
      intervalMs: 25,
      intervalMsMax: 50,
      signal,
    });
    return await start();
  } finally {
    await rm(path, { force: true });
  }
}

/** True once no living process holds an older ticket. */
async function isDue(folder: string, ticket: string): Promise<true | undefined> {
  const older = (await readdir(folder)).filter((name) => name < ticket);
  const dead = older.filter((name) => !isAlive(Number(name.split('-')[1])));
  await Promise.all(dead.map((name) => rm(join(folder, name), { force: true })));
  return older.length === dead.length ? true : undefined;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
