import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { copyFile, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { machineSettings } from '../../config/machine.ts';
import { describeError, UnreachableError, UsageError } from '../../core/errors.ts';
import { cachedFolder, cachePath, type PrepareOptions } from '../process/cache.ts';
import { run } from '../process/run.ts';

const STEP_TIMEOUT_MS = 120_000;

/**
 * Downloads Debian (or Ubuntu) packages and those of their dependencies that are not installed, and unpacks them into
 * `folder`, without root and without touching the system: apt works on private state and cache folders, and
 * `dpkg -x` only extracts.
 * @throws SyncproofError with apt's own words, e.g. when there is no apt, no network or no such package
 */
async function unpackDebianPackages(names: readonly string[], folder: string, options: PrepareOptions): Promise<void> {
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
  const set = Object.entries(settings).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
  const apt = (...args: readonly string[]): Promise<string> =>
    run('apt-get', [...set, '-qq', ...args], { env, timeoutMs: STEP_TIMEOUT_MS, signal: options.signal });
  options.onProgress?.('reading the distribution’s package lists');
  await apt('update');
  options.onProgress?.(`downloading ${names.join(', ')} from the distribution`);
  await apt('-y', '--no-install-recommends', '--download-only', '--reinstall', 'install', ...names);
  const archives = join(work, 'cache', 'archives');
  for (const file of (await readdir(archives)).filter((entry) => entry.endsWith('.deb'))) {
    await run('dpkg', ['-x', join(archives, file), folder], { env, timeoutMs: STEP_TIMEOUT_MS });
  }
  await rm(work, { recursive: true });
}

export interface RedisBinary {
  path: string;
  /** Variables it needs to start. */
  env: Record<string, string>;
  /** Where it was found, for people: "REDIS_SERVER", "PATH", "unpacked from the distribution’s packages". */
  origin: string;
}

const NAMES = ['redis-server', 'valkey-server'] as const;

/** Debug and protected settings, which fault cases need, can be allowed from this version on. */
const MAJOR_VERSION_MIN = 7;

/** @throws UnreachableError when the program does not tell its version like a Redis */
async function majorVersion(path: string): Promise<number> {
  const text = await run(path, ['--version'], { timeoutMs: 10_000 }).catch((cause: unknown) => {
    throw new UnreachableError(`Expected ${path} to be a Redis server, but it does not run`, { cause });
  });
  const version = /\bv=(\d+)\./.exec(text)?.[1];
  if (version === undefined)
    throw new UnreachableError(`Expected ${path} to be a Redis server, it says: ${text.trim()}`);
  return Number(version);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    // Absent or not ours to run: either way not usable.
    return false;
  }
}

/**
 * Finds a Redis server: REDIS_SERVER, then PATH, then one unpacked (once, without root) from the distribution's packages.
 * @throws UsageError when REDIS_SERVER names no program; UnreachableError that says what to install when nothing works
 */
export async function findRedis(options: PrepareOptions = {}): Promise<RedisBinary> {
  const { redisServer, searchPath } = machineSettings();
  if (redisServer !== undefined) {
    if (!isExecutable(redisServer)) {
      throw new UsageError(
        `Expected REDIS_SERVER to be the path of a redis-server or valkey-server, got ${redisServer}`,
      );
    }
    const major = await majorVersion(redisServer);
    if (major >= MAJOR_VERSION_MIN) return { path: redisServer, env: {}, origin: 'REDIS_SERVER' };
    throw new UsageError(
      `Expected REDIS_SERVER to be Redis ${MAJOR_VERSION_MIN} or newer, or Valkey, got version ${major} (${redisServer})`,
    );
  }
  for (const name of NAMES) {
    const path = searchPath.map((folder) => join(folder, name)).find(isExecutable);
    if (path !== undefined && (await majorVersion(path)) >= MAJOR_VERSION_MIN) return { path, env: {}, origin: 'PATH' };
  }
  return unpacked(options);
}

/**
 * How a person calls redis-cli on this machine: by name where PATH has it, else the one that came with the server.
 * Just the name when there is none; the shell then says so.
 */
export async function redisCliCommand(): Promise<string> {
  const { searchPath } = machineSettings();
  for (const name of ['redis-cli', 'valkey-cli']) {
    if (searchPath.some((folder) => isExecutable(join(folder, name)))) return name;
  }
  const { path, env } = await findRedis();
  const client = path.replace(/-server$/, '-cli');
  if (client === path || !isExecutable(client)) return 'redis-cli';
  return [...Object.entries(env).map(([name, value]) => `${name}=${value}`), client].join(' ');
}

async function unpacked(options: PrepareOptions): Promise<RedisBinary> {
  const failures: string[] = [];
  for (const name of NAMES) {
    try {
      const folder = await cachedFolder(
        cachePath('servers', `${name}-${process.arch}`),
        async (target) => {
          // The program itself is in the package of tools; the server's has the link to it.
          await unpackDebianPackages([name, name.replace('-server', '-tools')], target, options);
          await run(program(target, name), ['--version'], { env: await environmentOf(target), timeoutMs: 10_000 });
        },
        options.signal,
      );
      return {
        path: program(folder, name),
        env: await environmentOf(folder),
        origin: 'unpacked from the distribution’s packages',
      };
    } catch (error) {
      options.signal?.throwIfAborted();
      failures.push(`${name}: ${describeError(error)}`);
    }
  }
  throw new UnreachableError(
    'No Redis server: set REDIS_SERVER to a redis-server or valkey-server, or install one (Debian, Ubuntu: ' +
      '`apt-get install redis-server`; Fedora: `dnf install valkey`; macOS: `brew install redis`). ' +
      `Unpacking one from the distribution’s packages failed too: ${failures.join(' | ')}`,
  );
}

const program = (folder: string, name: string): string =>
  [join(folder, 'usr', 'bin', name), join(folder, 'bin', name)].find((path) => existsSync(path)) ??
  join(folder, 'usr', 'bin', name);

/** So that programs find the shared libraries that were unpacked beside them. */
async function environmentOf(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const folders = entries.filter((entry) => /\.so(\.|$)/.test(entry.name)).map((entry) => entry.parentPath);
  // Set but empty it would mean the current folder.
  return folders.length === 0 ? {} : { LD_LIBRARY_PATH: [...new Set(folders)].sort().join(':') };
}
