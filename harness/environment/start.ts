import { readdir } from 'node:fs/promises';
import { UnreachableError, UsageError } from '../core/errors.ts';
import type { Environment, EnvironmentOptions, OwnEnvironment, OwnKind } from './common/environment.ts';
import { startExternal } from './external/environment.ts';
import { cacheDirectory } from './process/cache.ts';
import { startProcesses } from './processes/environment.ts';
import { postgresTemplate } from './servers/postgres.ts';
import { findPostgres, serverUser } from './servers/postgres-binaries.ts';
import { findRedis } from './servers/redis-binary.ts';

/**
 * Finds the servers that the processes environment runs, or fetches and prepares them: what takes long the first time,
 * and what may be missing on a machine.
 * @throws UsageError for a setting that names nothing usable; UnreachableError that says what to install
 */
export async function prepareServers(onProgress: (detail: string) => void): Promise<void> {
  const user = serverUser();
  if ((await readdir(cacheDirectory())).length === 0) {
    onProgress(`first run on this machine: prepares its servers in ${cacheDirectory()}, about 125 MB, once`);
  }
  const options = (part: string) => ({ onProgress: (detail: string) => onProgress(`${part}: ${detail}`) });
  await Promise.all([
    findRedis(options('redis')),
    findPostgres(user).then((binaries) => postgresTemplate(binaries, user, options('postgres'))),
  ]);
}

/**
 * Starts the whole pipeline with real servers and resolves when every part answers and a token is available. Nothing of a
 * failed or aborted start remains.
 * @throws UnreachableError when a part cannot be started; UsageError for a wrong setting; the signal's reason when aborted
 */
export async function startEnvironment(options: EnvironmentOptions): Promise<Environment> {
  if (options.kind === 'external') {
    const { target } = options;
    if (target === undefined) throw new UsageError('Expected a target file for an external environment');
    return startExternal({ ...options, target });
  }
  return startOwn({ ...options, kind: options.kind });
}

/** The same for the reference pipeline alone. */
export async function startOwn(options: EnvironmentOptions & { kind: OwnKind }): Promise<OwnEnvironment> {
  if (options.kind === 'processes') return startProcesses(options);
  // Only where containers are asked for: testcontainers takes a while to load.
  const { startContainers } = await import('./containers/environment.ts');
  return startContainers(options);
}

/**
 * Decides where the parts run. `auto` takes containers where a Docker daemon answers and the images are there or can be
 * pulled, else processes.
 * @throws UnreachableError when containers were requested explicitly and are unavailable
 */
export async function chooseEnvironmentKind(wanted: 'auto' | OwnKind): Promise<{ kind: OwnKind; reason: string }> {
  if (wanted === 'processes') return { kind: 'processes', reason: 'asked for' };
  const { containersAvailable } = await import('./containers/environment.ts');
  const { available, reason } = await containersAvailable();
  if (available) return { kind: 'containers', reason: wanted === 'auto' ? reason : 'asked for' };
  if (wanted === 'containers') throw new UnreachableError(`Containers were requested, but ${reason}`);
  return { kind: 'processes', reason };
}
