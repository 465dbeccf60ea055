import { readFileSync } from 'node:fs';
import { mkdir, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { machineSettings } from '../../config/machine.ts';
import { BALLAST_FILE, type Disk, SMALL_DISK_BYTES } from '../disk.ts';
import { run } from './run.ts';

const MOUNT_TIMEOUT_MS = 10_000;
/** The bit of CAP_SYS_ADMIN in the kernel's sets of capabilities (capabilities(7)). */
const SYS_ADMIN_BIT = 21n;
const CHUNK = Buffer.alloc(1024 * 1024);
const PAGE_BYTES = 4096;

/** Whether this process may mount file systems: root on Linux, unless that right was taken away, as in most containers. */
export function canMount(): boolean {
  if (process.platform !== 'linux' || !machineSettings().isRoot) return false;
  const [, effective = '0'] = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return ((BigInt(`0x${effective}`) >> SYS_ADMIN_BIT) & 1n) === 1n;
}

/** Mounts a small memory file system at a folder; `unmountWithin` takes it away again. */
export async function mountSmallDisk(folder: string): Promise<Disk> {
  await mkdir(folder, { recursive: true });
  await run('mount', ['-t', 'tmpfs', '-o', `size=${SMALL_DISK_BYTES},mode=0711`, 'syncproof', folder], {
    timeoutMs: MOUNT_TIMEOUT_MS,
  });
  const ballast = join(folder, BALLAST_FILE);
  return { fill: () => writeUntilFull(ballast), relieve: () => rm(ballast, { force: true }) };
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
export async function unmountWithin(folders: readonly string[]): Promise<void> {
  for (const point of await mountPoints()) {
    if (!folders.some((folder) => point.startsWith(`${folder}/`))) continue;
    await run('umount', ['--lazy', point], { timeoutMs: MOUNT_TIMEOUT_MS });
  }
}

/** The fifth field of each line, in which blanks are octal numbers (proc_pid_mountinfo(5)). */
async function mountPoints(): Promise<string[]> {
  const text = await readFile('/proc/self/mountinfo', 'utf8').catch(() => '');
  return text
    .split('\n')
    .flatMap((line) => line.split(' ')[4] ?? [])
    .map((point) => point.replaceAll(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8))));
}
