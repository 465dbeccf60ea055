import { homedir, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { UsageError } from '../core/errors.ts';

/** What the harness needs to know of the machine it runs on, from the environment variables named in each line. */
export interface MachineSettings {
  /**
   * Where downloaded and prepared things are kept between runs: SYNCPROOF_CACHE, else XDG_CACHE_HOME/syncproof, else
   * ~/.cache/syncproof. For root, whose PostgreSQL runs as another user who cannot look into root's home, it is
   * /var/cache/syncproof unless SYNCPROOF_CACHE says otherwise.
   */
  cacheDirectory: string;
  /** REDIS_SERVER: path of a redis-server or valkey-server to use instead of looking for one. */
  redisServer: string | undefined;
  /** PATH, as folders. */
  searchPath: readonly string[];
  isRoot: boolean;
  /** The variables that a child process needs to run at all; none of ours and no secrets. */
  childEnvironment: Readonly<Record<string, string>>;
}

const PASSED_ON = ['PATH', 'HOME', 'LANG', 'TZ', 'TMPDIR'] as const;

export function machineSettings(): MachineSettings {
  const given = (name: string): string | undefined => process.env[name] || undefined;
  const isRoot = process.getuid?.() === 0;
  const xdg = given('XDG_CACHE_HOME');
  const byDefault = isRoot
    ? '/var/cache/syncproof'
    : xdg !== undefined
      ? join(xdg, 'syncproof')
      : join(homedir() || join(tmpdir(), userInfo().username), '.cache', 'syncproof');
  return {
    cacheDirectory: given('SYNCPROOF_CACHE') ?? byDefault,
    redisServer: given('REDIS_SERVER'),
    searchPath: (given('PATH') ?? '/usr/local/bin:/usr/bin:/bin').split(':').filter((folder) => folder !== ''),
    isRoot,
    childEnvironment: Object.fromEntries(
      PASSED_ON.flatMap((name) => {
        const value = given(name);
        return value === undefined ? [] : [[name, value]];
      }),
    ),
  };
}

export const IMAGE_ROLES = ['redis', 'postgres', 'service'] as const;
export type ImageRole = (typeof IMAGE_ROLES)[number];

const IMAGE_VARIABLES: Readonly<Record<ImageRole, string>> = {
  redis: 'SYNCPROOF_REDIS_IMAGE',
  postgres: 'SYNCPROOF_POSTGRES_IMAGE',
  service: 'SYNCPROOF_SERVICE_IMAGE',
};

/**
 * The image that SYNCPROOF_REDIS_IMAGE, SYNCPROOF_POSTGRES_IMAGE or SYNCPROOF_SERVICE_IMAGE names for a role, if it does.
 * @throws UsageError when the name cannot be one of an image
 */
export function imageSetting(role: ImageRole): string | undefined {
  const variable = IMAGE_VARIABLES[role];
  const name = process.env[variable] || undefined;
  if (name !== undefined && !/^[a-z0-9][\w./:@-]*$/.test(name))
    throw new UsageError(`Expected ${variable} to be the name of an image, e.g. registry.local/redis:7, got ${name}`);
  return name;
}

/** The variables that say where the Docker daemon is, for a child process that has to find the same one. */
export function engineVariables(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      /^(DOCKER|TESTCONTAINERS)_/.test(name) && value !== undefined ? [[name, value]] : [],
    ),
  );
}
