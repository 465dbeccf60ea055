import { chown, cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cachedFolder, cachePath } from '../process/cache.ts';
import { run } from '../process/run.ts';
import type { PostgresBinaries } from './postgres-binaries.ts';
import { createPasswords, databaseSetups, HARNESS_USER, type Passwords } from './rights.ts';
import type { ServerUser } from './server-user.ts';

/** Changes whenever what the template holds changes, so that an old cache is not taken for a new one. */
const TEMPLATE_VERSION = 2;
const STEP_TIMEOUT_MS = 60_000;

export interface PostgresTemplate {
  /** A data directory to copy; never to be started itself. */
  dataDirectory: string;
  passwords: Passwords;
  /** E.g. "18.4". */
  version: string;
}

/**
 * A prepared data directory with a role and a database per service, made once per PostgreSQL version: copying it takes
 * milliseconds, `initdb` more than a second. The roles' passwords are random and known to this user of the machine only.
 */
export async function postgresTemplate(
  binaries: PostgresBinaries,
  user: ServerUser | undefined,
  options: { onProgress?: (detail: string) => void; signal?: AbortSignal },
): Promise<PostgresTemplate> {
  const name = `postgres-${binaries.packageVersion}-${user?.uid ?? 'self'}-v${TEMPLATE_VERSION}`;
  const folder = await cachedFolder(
    cachePath('templates', name),
    async (target) => {
      options.onProgress?.('preparing a data directory (once per version)');
      await prepare(target, binaries, user);
    },
    options.signal,
  );
  const access = JSON.parse(await readFile(join(folder, 'access.json'), 'utf8'));
  return { dataDirectory: join(folder, 'data'), ...access };
}

async function prepare(folder: string, binaries: PostgresBinaries, user: ServerUser | undefined): Promise<void> {
  const dataDirectory = join(folder, 'data');
  await mkdir(dataDirectory, { mode: 0o700 });
  if (user !== undefined) await chown(dataDirectory, user.uid, user.gid);
  const execute = (program: string, args: string[], input?: string): Promise<string> =>
    run(join(binaries.folder, 'bin', program), args, {
      env: { ...binaries.env, LC_ALL: 'C', TZ: 'UTC' },
      cwd: dataDirectory,
      timeoutMs: STEP_TIMEOUT_MS,
      ...(input === undefined ? {} : { input }),
      ...user,
    });
  const locale = process.platform === 'linux' ? 'C.UTF-8' : 'C';
  await execute('initdb', [
    ...['-D', dataDirectory, '-U', HARNESS_USER.postgres, '-E', 'UTF8', `--locale=${locale}`, '--wal-segsize=4'],
    ...['--locale-provider=builtin', '--builtin-locale=C.UTF-8'],
    ...['--auth=trust', '--no-sync', '--no-instructions'],
  ]);
  await writeFile(join(dataDirectory, 'pg_hba.conf'), 'host all all samehost scram-sha-256\n');
  const passwords = createPasswords();
  // Single-user mode: one statement a line, no server, no port.
  const single = (database: string, statements: readonly string[]): Promise<string> =>
    execute('postgres', ['--single', '-j', '-D', dataDirectory, database], `${statements.join(';\n\n')};\n\n`);
  for (const { database, statements } of databaseSetups((user) => passwords[user])) await single(database, statements);
  await single('postgres', [`ALTER ROLE ${HARNESS_USER.postgres} PASSWORD '${passwords.harness}'`]);
  const version = (await execute('postgres', ['--version'])).trim().split(' ').at(-1) ?? binaries.packageVersion;
  await writeFile(join(folder, 'access.json'), JSON.stringify({ passwords, version }), { mode: 0o600 });
}

/** Copies the template, owners and modes included, sharing blocks where the file system can. */
export async function copyTemplate(
  template: PostgresTemplate,
  dataDirectory: string,
  signal?: AbortSignal,
): Promise<void> {
  if (process.platform === 'linux') {
    await run('cp', ['-a', '--reflink=auto', template.dataDirectory, dataDirectory], {
      timeoutMs: STEP_TIMEOUT_MS,
      ...(signal === undefined ? {} : { signal }),
    });
  } else {
    await cp(template.dataDirectory, dataDirectory, { recursive: true, preserveTimestamps: true });
  }
}
