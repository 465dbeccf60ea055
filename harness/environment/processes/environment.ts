import { dirname, join } from 'node:path';
import { machineSettings } from '../../config/machine.ts';
import type { EnvironmentOptions, OwnEnvironment } from '../common/environment.ts';
import { startLinks } from '../common/links.ts';
import { MARK_VARIABLE, noteProcess } from '../leftovers/marker.ts';
import { removeLeftovers } from '../leftovers/remove.ts';
import { type OwnStart, startOwned, startPlanned } from '../own/own.ts';
import type { Running } from '../own/parts.ts';
import { redisServerInfo } from '../process/probes.ts';
import { canHaveSmallDisk, makeSmallDisk } from '../process/small-disk.ts';
import { serverAccess } from '../servers/credentials.ts';
import { createPasswords } from '../servers/rights.ts';
import { discardParts, planParts } from './parts.ts';

const HOST = '127.0.0.1';

/**
 * Runs every part as a child process of this one, with real servers on this machine; see `startEnvironment`.
 * When `options.signal` aborts, also later, everything is stopped.
 */
export async function startProcesses(options: EnvironmentOptions): Promise<OwnEnvironment> {
  options.signal?.throwIfAborted();
  const { storage = 'memory' } = options;
  return startOwned({ kind: 'processes', options }, { storage, portsOn: HOST }, startAll);
}

async function startAll(start: OwnStart): Promise<Running<OwnEnvironment>> {
  const { options, resources, home, block, address } = start;
  const links = await startLinks(resources, block, { redis: address('redis'), postgres: address('postgres') });
  const redisPasswords = createPasswords();
  // Also when the components, which remove it with them, are never made.
  resources.defer(() => removeLeftovers(home));
  const postgresDisk =
    options.postgresDisk === 'small' && canHaveSmallDisk()
      ? await makeSmallDisk(dirname(home.postgresData), {
          env: { ...machineSettings().childEnvironment, [MARK_VARIABLE]: home.id },
          logPath: join(home.home, 'small-disk.log'),
          onSpawn: (pid) => noteProcess(home, pid),
        })
      : undefined;
  const { parts, template, instance, secrets } = await planParts({ ...start, links, redisPasswords, postgresDisk });
  const logins = serverAccess(address, { redis: redisPasswords, postgres: template.passwords });
  resources.defer(() => discardParts(parts, home));
  return startPlanned(start, {
    parts,
    secrets,
    links,
    logins,
    postgresDisk,
    instance: (name, service, port) => instance(name, service, { host: HOST, port }),
    async versions(steps) {
      const versions: Record<string, string> = { postgres: template.version, node: process.versions.node };
      if (steps.redis !== undefined)
        versions.redis = (await redisServerInfo(logins.redisAddress())).redis_version ?? 'unknown';
      return versions;
    },
  });
}
