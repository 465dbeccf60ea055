import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { appendFile, chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cachePath } from '../process/cache.ts';
import { findProcess, isSameProcess } from '../process/table.ts';

/** The environment variable that every process of an environment carries. */
export const MARK_VARIABLE = 'SYNCPROOF_ENVIRONMENT';

/** What an environment owns outside its harness's memory: enough to remove it after the harness is gone. */
export interface Marker {
  id: string;
  harness: ProcessIdentity;
  watchdog?: ProcessIdentity;
  /** The first holds this marker. */
  folders: readonly string[];
  /** PostgreSQL's data, for what it leaves outside of its folder. */
  postgresData: string;
  /** It also owns containers, which carry its id as a label. */
  containers?: boolean;
}

export interface ProcessIdentity {
  pid: number;
  /** Together with the pid this tells a process from a later one that got the same pid. */
  startedAt: string;
}

const MARKER_FILE = 'environment.json';
const PROCESSES_FILE = 'processes';
const MEMORY_FOLDER = '/dev/shm';

export const identityOf = (pid: number): ProcessIdentity => ({ pid, startedAt: findProcess(pid)?.startedAt ?? '' });
export const isAlive = (identity: ProcessIdentity): boolean => isSameProcess(identity.pid, identity.startedAt);

const environmentsFolder = (): string => cachePath('environments');

/** Makes the folders of a new environment and its marker. Data goes to a memory file system if asked for and there is one. */
export async function createMarker(
  storage: 'memory' | 'disk',
  containers = false,
): Promise<Marker & { home: string; data: string }> {
  const id = `e${randomBytes(5).toString('hex')}`;
  const home = join(environmentsFolder(), id);
  const inMemory = storage === 'memory' && existsSync(MEMORY_FOLDER);
  const data = inMemory ? join(MEMORY_FOLDER, `syncproof-${id}`) : join(home, 'data');
  const marker: Marker = {
    id,
    harness: identityOf(process.pid),
    folders: [...new Set([home, ...(inMemory ? [data] : [])])],
    postgresData: join(data, 'postgres'),
    ...(containers ? { containers } : {}),
  };
  await mkdir(home, { recursive: true });
  // The marker first: from here on whatever else is made can be found again.
  await saveMarker(marker);
  await mkdir(data, { recursive: true });
  // PostgreSQL may run as another user, who must get through to its folder but need not see what else is there.
  for (const folder of [home, data]) await chmod(folder, 0o711);
  return { ...marker, home, data };
}

export async function saveMarker(marker: Marker): Promise<void> {
  const { id, harness, watchdog, folders, postgresData, containers } = marker;
  const text = JSON.stringify({ id, harness, watchdog, folders, postgresData, containers });
  await writeFile(join(folders[0] ?? '', MARKER_FILE), text, { mode: 0o600 });
}

/** Notes a process that the environment started. */
export async function noteProcess(marker: Marker, pid: number): Promise<void> {
  await appendFile(join(marker.folders[0] ?? '', PROCESSES_FILE), `${JSON.stringify(identityOf(pid))}\n`);
}

/** The processes that were noted and are still the ones they were. */
export async function notedProcesses(marker: Marker): Promise<number[]> {
  const text = await readFile(join(marker.folders[0] ?? '', PROCESSES_FILE), 'utf8').catch(ifAbsent(''));
  return text
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .map((line): ProcessIdentity => JSON.parse(line))
    .filter(isAlive)
    .map(({ pid }) => pid);
}

/** Reads the marker in an environment's folder; undefined when there is none (yet, or any more). */
export async function readMarker(home: string): Promise<Marker | undefined> {
  const text = await readFile(join(home, MARKER_FILE), 'utf8').catch(ifAbsent(''));
  return text === '' ? undefined : JSON.parse(text);
}

/** The folders of all environments on this machine that use this cache. */
export async function environmentFolders(): Promise<string[]> {
  const names = await readdir(environmentsFolder()).catch(ifAbsent<string[]>([]));
  return names.map((name) => join(environmentsFolder(), name));
}

/** Removes the folders, the one with the marker last. */
export async function removeFolders(marker: Marker): Promise<void> {
  for (const folder of marker.folders.toReversed()) await rm(folder, { recursive: true, force: true, maxRetries: 3 });
}

const ifAbsent =
  <T>(value: T) =>
  (error: NodeJS.ErrnoException): T => {
    if (error.code === 'ENOENT') return value;
    throw error;
  };
