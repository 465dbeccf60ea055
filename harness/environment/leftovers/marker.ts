import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { appendFile, chmod, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { cachePath } from '../process/cache.ts';
import { unmountWithin } from '../process/small-disk.ts';
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
const UNREADABLE_DEAD_AFTER_MS = 60_000;

export const identityOf = (pid: number): ProcessIdentity => ({ pid, startedAt: findProcess(pid)?.startedAt ?? '' });
export const isAlive = (identity: ProcessIdentity): boolean => isSameProcess(identity.pid, identity.startedAt);

/** In a folder of its own, which may be a file system of its own. */
const postgresDataIn = (data: string): string => join(data, 'postgres', 'data');

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
    folders: inMemory ? [home, data] : [home],
    postgresData: postgresDataIn(data),
    containers: containers || undefined,
  };
  await mkdir(home, { recursive: true });
  // The marker first: from here on everything else that is made can be found again.
  await saveMarker(marker);
  const postgresFolder = dirname(marker.postgresData);
  await mkdir(postgresFolder, { recursive: true });
  // PostgreSQL may run as another user, who must get through to its folder but need not see what else is there.
  for (const folder of [home, data, postgresFolder]) await chmod(folder, 0o711);
  return { ...marker, home, data };
}

export async function saveMarker(marker: Marker): Promise<void> {
  const { id, harness, watchdog, folders, postgresData, containers } = marker;
  const text = JSON.stringify({ id, harness, watchdog, folders, postgresData, containers });
  const path = join(folders[0] ?? '', MARKER_FILE);
  // Whole or not at all: a process killed in between must not leave an unreadable marker.
  await writeFile(`${path}.new`, text, { mode: 0o600 });
  await rename(`${path}.new`, path);
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

/**
 * Reads the marker in an environment's folder; undefined when there is none (yet, or any more).
 * @throws SyntaxError when it is no marker
 */
export async function readMarker(home: string): Promise<Marker | undefined> {
  const path = join(home, MARKER_FILE);
  const text = await readFile(path, 'utf8').catch(ifAbsent(undefined));
  if (text === undefined) return undefined;
  const marker: Partial<Marker> | null = JSON.parse(text);
  const whole =
    typeof marker?.id === 'string' &&
    typeof marker.harness?.pid === 'number' &&
    typeof marker.harness.startedAt === 'string' &&
    typeof marker.postgresData === 'string' &&
    Array.isArray(marker.folders);
  if (!whole) throw new SyntaxError(`${path} is no marker`);
  return marker as Marker;
}

/**
 * Stands in for a marker that is missing or cannot be read, once its folder is too old to be one that is just being
 * made; undefined before. Names and places follow from the folder's name; of containers it knows nothing.
 */
export async function presumedMarker(home: string): Promise<Marker | undefined> {
  if (!/^e[0-9a-f]{10}$/.test(basename(home))) return undefined;
  const made = await stat(home).catch(ifAbsent(undefined));
  if (made === undefined || Date.now() - made.mtimeMs < UNREADABLE_DEAD_AFTER_MS) return undefined;
  const id = basename(home);
  const inMemory = join(MEMORY_FOLDER, `syncproof-${id}`);
  const data = existsSync(inMemory) ? inMemory : join(home, 'data');
  const folders = data === inMemory ? [home, data] : [home];
  return { id, harness: { pid: 0, startedAt: '' }, folders, postgresData: postgresDataIn(data) };
}

/** The folders of all environments on this machine that use this cache. */
export async function environmentFolders(): Promise<string[]> {
  const names = await readdir(environmentsFolder()).catch(ifAbsent<string[]>([]));
  return names.map((name) => join(environmentsFolder(), name));
}

/** Removes the folders, the one with the marker last. */
export async function removeFolders(marker: Marker): Promise<void> {
  await unmountWithin(marker.folders);
  for (const folder of marker.folders.toReversed()) await rm(folder, { recursive: true, force: true, maxRetries: 3 });
}

const ifAbsent =
  <T>(value: T) =>
  (error: NodeJS.ErrnoException): T => {
    if (error.code === 'ENOENT') return value;
    throw error;
  };
