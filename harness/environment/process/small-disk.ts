import { execFileSync } from 'node:child_process';
import { mkdir, open, readFile, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { machineSettings } from '../../config/machine.ts';
import { BALLAST_FILE, type Disk, SMALL_DISK_BYTES } from '../common/environment.ts';
import { Child, type ChildOptions } from './child.ts';
import { run } from './run.ts';

/** A small disk, and how to get at it. */
export interface SmallDisk extends Disk {
  /** Where this process finds its folder. */
  seenAt: string;
  /** Comes before a command that is to find it at the folder itself; empty where every process does. */
  within: readonly string[];
}

/** How this process can have one: by mounting it, as root, or in a namespace of its own, where users may make some. */
type Way = 'mount' | 'namespace';

const MOUNT_TIMEOUT_MS = 10_000;
const CHUNK = Buffer.alloc(1024 * 1024);
const PAGE_BYTES = 4096;
/** Tried on a folder that always exists, in a namespace that ends with it. */
const MOUNT_TRIAL = 'mount -t tmpfs syncproof /tmp';
/** All that is done in a namespace (user_namespaces(7)). */
const NAMESPACE_TRIAL = `${MOUNT_TRIAL} && unshare --user --map-user=1 true`;

let known: { way: Way | undefined } | undefined;

/** Whether a small disk is available here: on Linux, unless root may not mount, or users may not make namespaces. */
export function canHaveSmallDisk(): boolean {
  known ??= { way: process.platform === 'linux' ? findWay() : undefined };
  return known.way !== undefined;
}

function findWay(): Way | undefined {
  const { isRoot } = machineSettings();
  // Root is tried, too: in a container it may have the right, and yet be kept from it.
  const words = isRoot
    ? ['--mount', 'sh', '-c', MOUNT_TRIAL]
    : ['--map-root-user', '--mount', 'sh', '-c', NAMESPACE_TRIAL];
  try {
    execFileSync('unshare', words, { stdio: 'ignore', timeout: MOUNT_TIMEOUT_MS });
    return isRoot ? 'mount' : 'namespace';
  } catch {
    // No such program, or no such right: none is available.
    return undefined;
  }
}

/** What the process is given that keeps a namespace. */
export type KeeperOptions = Pick<ChildOptions, 'env' | 'logPath'> & {
  /** Told of it before it is waited for. */
  onSpawn: (pid: number) => Promise<void>;
};

/**
 * Makes a small memory file system at a folder. What root mounts goes with `unmountWithin`, a namespace with its keeper.
 */
export async function makeSmallDisk(path: string, keeper: KeeperOptions): Promise<SmallDisk> {
  await mkdir(path, { recursive: true });
  // The kernel names what is mounted so.
  const folder = await realpath(path);
  const mount = ['mount', '-t', 'tmpfs', '-o', `size=${SMALL_DISK_BYTES},mode=0711`, 'syncproof', folder] as const;
  if (machineSettings().isRoot) {
    const [program, ...words] = mount;
    await run(program, words, { timeoutMs: MOUNT_TIMEOUT_MS });
    return smallDisk(folder, []);
  }
  const pid = await startKeeper(folder, mount, keeper);
  // PostgreSQL refuses to be root, as which the namespace knows us: in one more it sees itself as who we are.
  const self = [`--map-user=${process.getuid?.()}`, `--map-group=${process.getgid?.()}`];
  const enter = ['nsenter', `--target=${pid}`, '--user', '--mount', '--preserve-credentials', '--'];
  return smallDisk(`/proc/${pid}/root${folder}`, [...enter, 'unshare', '--user', ...self]);
}

function smallDisk(seenAt: string, within: readonly string[]): SmallDisk {
  const ballast = join(seenAt, BALLAST_FILE);
  return { seenAt, within, fill: () => writeUntilFull(ballast), relieve: () => rm(ballast, { force: true }) };
}

/** A process that mounts the disk where only it and those who enter its namespace see it, and then does nothing. */
async function startKeeper(
  folder: string,
  mount: readonly string[],
  { env, logPath, onSpawn }: KeeperOptions,
): Promise<number> {
  const child = await Child.spawn({
    name: 'small disk',
    env,
    logPath,
    cwd: '/',
    command: 'unshare',
    args: ['--map-root-user', '--mount', 'sh', '-c', '"$@" && exec sleep infinity', 'sh', ...mount],
  });
  await onSpawn(child.pid);
  await child.ready({
    probe: async () => {
      const mounted = await mountPoints(`/proc/${child.pid}/mountinfo`);
      if (!mounted.includes(folder)) throw new Error(`nothing is mounted at ${folder} yet`);
    },
    logs: () => readFile(logPath, 'utf8'),
    timeoutMs: MOUNT_TIMEOUT_MS,
  });
  return child.pid;
}

async function writeUntilFull(path: string): Promise<void> {
  await using file = await open(path, 'a');
  for (const bytes of [CHUNK.length, PAGE_BYTES]) {
    try {
      for (;;) await file.write(CHUNK, 0, bytes);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  }
}

/** Unmounts whatever is mounted below these folders; what still uses it loses it when it ends. */
export async function unmountWithin(paths: readonly string[]): Promise<void> {
  const folders = await Promise.all(paths.map((path) => realpath(path).catch(() => path)));
  for (const point of await mountPoints('/proc/self/mountinfo')) {
    if (!folders.some((folder) => point.startsWith(`${folder}/`))) continue;
    await run('umount', ['--lazy', point], { timeoutMs: MOUNT_TIMEOUT_MS });
  }
}

/** The fifth field of each line, in which blanks are octal numbers (proc_pid_mountinfo(5)). */
async function mountPoints(path: string): Promise<string[]> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text
    .split('\n')
    .flatMap((line) => line.split(' ')[4] ?? [])
    .map((point) => point.replaceAll(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8))));
}
