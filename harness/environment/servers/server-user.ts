import { readFileSync } from 'node:fs';
import { machineSettings } from '../../config/machine.ts';
import { UnreachableError } from '../../core/errors.ts';

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
