import { copyFile, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { machineSettings } from '../../config/machine.ts';
import { run } from '../process/run.ts';

const UPDATE_TIMEOUT_MS = 120_000;
const STEP_TIMEOUT_MS = 120_000;

/**
 * Downloads Debian (or Ubuntu) packages and those of their dependencies that are not installed, and unpacks them into
 * `folder`, without root and without touching the system: apt works on private state and cache folders, and
 * `dpkg -x` only extracts. Programs then need `libraryFolders(folder)` in LD_LIBRARY_PATH.
 * @throws SyncproofError with apt's own words, e.g. when there is no apt, no network or no such package
 */
export async function unpackDebianPackages(
  names: readonly string[],
  folder: string,
  options: { onProgress?: (detail: string) => void; signal?: AbortSignal } = {},
): Promise<void> {
  const work = join(folder, '.apt');
  await mkdir(join(work, 'state', 'lists', 'partial'), { recursive: true });
  await mkdir(join(work, 'cache', 'archives', 'partial'), { recursive: true });
  // The list of installed packages, so that only what is missing is fetched; a copy, for apt may want to write beside it.
  await copyFile('/var/lib/dpkg/status', join(work, 'status'));
  const env = { ...machineSettings().childEnvironment, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' };
  const settings = {
    'Dir::State': join(work, 'state'),
    'Dir::State::status': join(work, 'status'),
    'Dir::Cache': join(work, 'cache'),
    'Debug::NoLocking': '1',
    'APT::Sandbox::User': '',
    'Acquire::Languages': 'none',
    'Acquire::Retries': '2',
    'Acquire::http::Timeout': '20',
  };
  const apt = (args: readonly string[], timeoutMs: number): Promise<string> =>
    run('apt-get', [...Object.entries(settings).flatMap(([key, value]) => ['-o', `${key}=${value}`]), ...args], {
      env,
      timeoutMs,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
  options.onProgress?.('reading the distribution’s package lists');
  await apt(['-qq', 'update'], UPDATE_TIMEOUT_MS);
  options.onProgress?.(`downloading ${names.join(', ')} from the distribution`);
  await apt(
    ['-qq', '-y', '--no-install-recommends', '--download-only', '--reinstall', 'install', ...names],
    STEP_TIMEOUT_MS,
  );
  const archives = join(work, 'cache', 'archives');
  for (const file of (await readdir(archives)).filter((entry) => entry.endsWith('.deb'))) {
    await run('dpkg', ['-x', join(archives, file), folder], { env, timeoutMs: STEP_TIMEOUT_MS });
  }
  await rm(work, { recursive: true });
}

/** The folders of an unpacked package tree that hold shared libraries. */
export async function libraryFolders(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const folders = entries.filter((entry) => /\.so(\.|$)/.test(entry.name)).map((entry) => entry.parentPath);
  return [...new Set(folders)].sort();
}
