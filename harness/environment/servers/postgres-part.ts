import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { PartPlan } from '../process/part.ts';
import { pingPostgres } from '../process/probes.ts';
import { run } from '../process/run.ts';
import { findPostgres } from './postgres-binaries.ts';
import { copyTemplate, type PostgresTemplate, postgresTemplate } from './postgres-template.ts';
import { serverUser } from './server-user.ts';

export interface PostgresOptions {
  /** Does not exist yet; its parent can be entered by any user. */
  dataDirectory: string;
  host: string;
  port: number;
  /** `memory`: nothing is forced to disk, for data that lives on a memory file system anyway. */
  storage: 'memory' | 'disk';
  /** Beside and over those that it always has. */
  settings?: Readonly<Record<string, string>>;
}

export interface PostgresSetup {
  template: PostgresTemplate;
  plan: Pick<PartPlan, 'launch' | 'probe' | 'stopSignal' | 'discardSignal' | 'discardGraceMs' | 'wipe'>;
}

/** Finds PostgreSQL, prepares the template and gives the plan of a server on a copy of it. */
export async function setupPostgres(
  options: PostgresOptions,
  prepare: { onProgress?: (detail: string) => void; signal?: AbortSignal },
): Promise<PostgresSetup> {
  const user = serverUser();
  const binaries = await findPostgres(user, prepare.signal);
  const template = await postgresTemplate(binaries, user, prepare);
  const { dataDirectory, host, port } = options;
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
    ...(options.storage === 'memory' ? { fsync: 'off', full_page_writes: 'off' } : {}),
    ...options.settings,
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
        if (!existsSync(dataDirectory)) await copyTemplate(template, dataDirectory, signal);
        return {
          command: join(binaries.folder, 'bin', 'postgres'),
          args: [
            '-D',
            dataDirectory,
            ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
          ],
          env: { ...binaries.env, LC_ALL: 'C', TZ: 'UTC' },
          cwd: dataDirectory,
          ...user,
        };
      },
      probe: () => pingPostgres({ host, port }),
      async wipe() {
        await releaseSharedMemory(dataDirectory);
        await rm(dataDirectory, { recursive: true, force: true });
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
