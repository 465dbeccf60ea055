import { existsSync } from 'node:fs';
import { chown, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { SMALL_DISK_SETTINGS } from '../common/environment.ts';
import { cachedFolder, cachePath, type PrepareOptions } from '../process/cache.ts';
import type { PartPlan } from '../process/part.ts';
import { pingPostgres } from '../process/probes.ts';
import { run } from '../process/run.ts';
import type { SmallDisk } from '../process/small-disk.ts';
import { findPostgres, type PostgresBinaries, type ServerUser, serverUser } from './postgres-binaries.ts';
import { createPasswords, databaseSetups, HARNESS_USER, type Passwords } from './rights.ts';

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
  options: PrepareOptions,
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
      input,
      ...user,
    });
  const locale = process.platform === 'linux' ? 'C.UTF-8' : 'C';
  await execute('initdb', [
    `--pgdata=${dataDirectory}`,
    `--username=${HARNESS_USER.postgres}`,
    '--encoding=UTF8',
    `--locale=${locale}`,
    '--wal-segsize=4',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--auth=trust',
    '--no-sync',
    '--no-instructions',
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
async function copyTemplate(template: PostgresTemplate, dataDirectory: string, signal?: AbortSignal): Promise<void> {
  if (process.platform === 'linux') {
    await run('cp', ['-a', '--reflink=auto', template.dataDirectory, dataDirectory], {
      timeoutMs: STEP_TIMEOUT_MS,
      signal,
    });
  } else {
    await cp(template.dataDirectory, dataDirectory, { recursive: true, preserveTimestamps: true });
  }
}

export interface PostgresOptions {
  /** Does not exist yet; its parent can be entered by any user. */
  dataDirectory: string;
  host: string;
  port: number;
  /** `memory`: nothing is forced to disk, for data that lives on a memory file system anyway. */
  storage: 'memory' | 'disk';
  /** With the folder around `dataDirectory`. */
  disk?: SmallDisk | undefined;
}

export interface PostgresSetup {
  template: PostgresTemplate;
  plan: Pick<PartPlan, 'launch' | 'probe' | 'stopSignal' | 'discardSignal' | 'discardGraceMs' | 'wipe'>;
}

/** Finds PostgreSQL, prepares the template and gives the plan of a server on a copy of it. */
export async function setupPostgres(options: PostgresOptions, prepare: PrepareOptions): Promise<PostgresSetup> {
  const user = serverUser();
  const binaries = await findPostgres(user, prepare.signal);
  const template = await postgresTemplate(binaries, user, prepare);
  const { dataDirectory, host, port, disk } = options;
  const seenAt = disk === undefined ? dataDirectory : join(disk.seenAt, basename(dataDirectory));
  const settings: Record<string, string> = {
    listen_addresses: host,
    port: String(port),
    unix_socket_directories: '',
    max_connections: '100',
    // In the data directory instead of /dev/shm, so that no segment outlives a killed server's folder.
    dynamic_shared_memory_type: 'mmap',
    log_line_prefix: '%m [%p] %q%u@%d ',
    log_timezone: 'UTC',
    timezone: 'UTC',
    ...(options.storage === 'memory' && { fsync: 'off', full_page_writes: 'off' }),
    ...(disk && SMALL_DISK_SETTINGS),
  };
  return {
    template,
    plan: {
      // Fast shutdown: clients are disconnected. SIGTERM would wait for them (PostgreSQL documentation, "Shutting Down the Server").
      stopSignal: 'SIGINT',
      // Immediate shutdown: no checkpoint, but its shared memory is given back.
      discardSignal: 'SIGQUIT',
      discardGraceMs: 2000,
      async launch(signal) {
        if (!existsSync(seenAt)) await copyTemplate(template, seenAt, signal);
        const [command = '', ...words] = [...(disk?.within ?? []), join(binaries.folder, 'bin', 'postgres')];
        const set = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
        return {
          command,
          args: [...words, '-D', dataDirectory, ...set],
          env: { ...binaries.env, LC_ALL: 'C', TZ: 'UTC' },
          cwd: seenAt,
          ...user,
        };
      },
      probe: () => pingPostgres({ host, port }),
      async wipe() {
        await releaseSharedMemory(seenAt);
        await rm(seenAt, { recursive: true, force: true });
      },
    },
  };
}

/**
 * Removes the small System V segment that a killed PostgreSQL leaves behind until reboot; its id is on the seventh line of
 * postmaster.pid ("key id"). A server that starts again on the same data does this by itself.
 */
export async function releaseSharedMemory(dataDirectory: string): Promise<void> {
  const lines = await readFile(join(dataDirectory, 'postmaster.pid'), 'utf8').then(
    (text) => text.split('\n'),
    // No such file: it was shut down in order, or never started.
    () => [],
  );
  const id = lines[6]?.trim().split(/\s+/)[1];
  if (id === undefined || !/^\d+$/.test(id)) return;
  // 56 bytes; not worth failing for where there is no ipcrm, or when the segment has gone already.
  await run('ipcrm', ['-m', id], { timeoutMs: 2000 }).catch(() => {});
}
