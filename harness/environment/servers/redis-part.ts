import { mkdir, rm, writeFile } from 'node:fs/promises';
import type { PrepareOptions } from '../process/cache.ts';
import type { PartPlan } from '../process/part.ts';
import { pingRedis } from '../process/probes.ts';
import { findRedis, type RedisBinary } from './redis-binary.ts';

export interface RedisOptions {
  dataDirectory: string;
  host: string;
  port: number;
  users: RedisUsers;
  /** `always`: what was acknowledged outlives a SIGKILL. With `everysec` a write may wait for the last second's fsync. */
  appendfsync?: 'always' | 'everysec';
}

export interface RedisUsers {
  /** An ACL file: not in the data directory, since a Redis that lost its data must still know who may do what. */
  file: string;
  /** What it holds; see `redisUsers`. */
  text: string;
  /** The default user's. */
  password?: string;
}

export interface RedisSetup {
  binary: RedisBinary;
  plan: Pick<PartPlan, 'launch' | 'probe' | 'discardSignal' | 'discardGraceMs' | 'wipe'>;
}

/** An append-only file that is written out every second; and what fault cases need to make a server answer with errors. */
export const REDIS_SETTINGS: Readonly<Record<string, string>> = {
  appendonly: 'yes',
  appendfsync: 'everysec',
  save: '',
  'enable-debug-command': 'yes',
  'enable-protected-configs': 'yes',
};

/** Finds a Redis and gives the plan of a server that keeps its data in an append-only file. */
export async function setupRedis(options: RedisOptions, prepare: PrepareOptions): Promise<RedisSetup> {
  const binary = await findRedis(prepare);
  const { dataDirectory, host, port, users, appendfsync = 'everysec' } = options;
  const settings: Record<string, string> = {
    ...REDIS_SETTINGS,
    appendfsync,
    bind: host,
    port: String(port),
    dir: dataDirectory,
    aclfile: users.file,
    daemonize: 'no',
    // Its command line and environment stay readable, so that leftovers can be told from strangers.
    'set-proc-title': 'no',
  };
  return {
    binary,
    plan: {
      discardSignal: 'SIGKILL',
      discardGraceMs: 1000,
      async launch() {
        await mkdir(dataDirectory, { recursive: true, mode: 0o700 });
        await writeFile(users.file, users.text, { mode: 0o600 });
        return {
          command: binary.path,
          args: Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]),
          env: binary.env,
          cwd: dataDirectory,
        };
      },
      probe: () => pingRedis({ host, port, password: users.password }),
      wipe: () => rm(dataDirectory, { recursive: true, force: true }),
    },
  };
}
