import { randomBytes } from 'node:crypto';
import { accessSync, constants, existsSync, mkdirSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { machineSettings } from '../../config/machine.ts';
import { UsageError } from '../../core/errors.ts';
import { pollUntil } from '../../core/time.ts';
import { findProcess, isSameProcess } from './table.ts';

/** Longest time one process builds a cache entry; another one waits no longer. */
const BUILD_TIMEOUT_MS = 300_000;

/** Of what may take long the first time. */
export interface PrepareOptions {
  onProgress?: (detail: string) => void;
  signal?: AbortSignal | undefined;
}

/** The cache folder, made when absent; other users may look into it, since servers may run as one of them. */
export function cacheDirectory(): string {
  const { cacheDirectory: path } = machineSettings();
  try {
    mkdirSync(path, { recursive: true, mode: 0o755 });
    accessSync(path, constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw new UsageError(`Expected SYNCPROOF_CACHE to be a folder that can be written to, got ${path}`, { cause });
  }
  return path;
}

/**
 * Gives the folder `target`, built by `build` (into a temporary folder, moved into place at the end) when it is not
 * there yet. Several processes may call it at once: one builds, the others wait; one that died is replaced.
 */
export async function cachedFolder(
  target: string,
  build: (folder: string) => Promise<void>,
  signal?: AbortSignal,
): Promise<string> {
  if (existsSync(target)) return target;
  await mkdir(dirname(target), { recursive: true, mode: 0o755 });
  const lock = `${target}.lock`;
  const owns = await pollUntil(() => (existsSync(target) ? 'built' : tryLock(lock)), {
    what: `another process to prepare ${target}`,
    timeoutMs: BUILD_TIMEOUT_MS,
    signal,
  });
  if (owns === 'built') return target;
  const folder = `${target}.${process.pid}.${randomBytes(4).toString('hex')}`;
  try {
    if (existsSync(target)) return target;
    await removeAbandoned(target);
    await mkdir(folder, { mode: 0o755 });
    await chmod(folder, 0o755);
    await build(folder);
    // Should two have built it after all (a lock taken for stale), the first one's stays.
    await rename(folder, target).catch((error: NodeJS.ErrnoException) => {
      if (!existsSync(target)) throw error;
    });
    return target;
  } finally {
    await rm(folder, { recursive: true, force: true });
    await rm(lock, { recursive: true, force: true });
  }
}

/** Removes what builders left behind that were killed; only the lock's owner calls this. */
async function removeAbandoned(target: string): Promise<void> {
  for (const name of await readdir(dirname(target))) {
    const pid = /^\.(\d+)\.[0-9a-f]+$/.exec(name.slice(basename(target).length))?.[1];
    if (!name.startsWith(basename(target)) || pid === undefined || findProcess(Number(pid)) !== undefined) continue;
    await rm(join(dirname(target), name), { recursive: true, force: true });
  }
}

/** Takes the lock, or clears it when its owner is dead; undefined means "try again". */
async function tryLock(lock: string): Promise<'locked' | undefined> {
  try {
    const owner = { pid: process.pid, startedAt: findProcess(process.pid)?.startedAt ?? '' };
    await writeFile(lock, JSON.stringify(owner), { flag: 'wx' });
    return 'locked';
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const text = await readFile(lock, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  // Empty: just being written, or just gone.
  if (text === '') return undefined;
  const owner: { pid: number; startedAt: string } = JSON.parse(text);
  if (!isSameProcess(owner.pid, owner.startedAt)) await rm(lock, { force: true });
  return undefined;
}

/** A folder of the cache by its parts. */
export function cachePath(...parts: string[]): string {
  return join(cacheDirectory(), ...parts);
}
