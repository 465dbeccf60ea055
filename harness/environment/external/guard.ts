import { spawn } from 'node:child_process';

/**
 * Puts a part of somebody else's pipeline back should this process die before it did: a shell that outlives us and waits
 * for the end of its input, which the kernel closes with us.
 */
const SCRIPT = 'read -r word; [ "$word" = done ] || eval "$1"';

export interface Guard {
  /** The part is back: nothing is left to do. */
  dismiss(): void;
}

export function guardWith(command: string, cwd: string): Guard {
  const shell = spawn('/bin/sh', ['-c', SCRIPT, 'syncproof-restore', command], {
    cwd,
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  // Without its guard everything works; only a kill of this process would leave the part as it is.
  shell.on('error', () => {});
  shell.stdin.on('error', () => {});
  shell.unref();
  return { dismiss: () => void shell.stdin.end('done\n') };
}
