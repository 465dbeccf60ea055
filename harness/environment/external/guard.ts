import { spawn } from 'node:child_process';

/**
 * Puts a part of somebody else's pipeline back should this process die before it did: a shell that outlives us and waits
 * for the end of its input, which the kernel closes with us. A command that is still at work is ended first: it would undo
 * what puts the part back.
 */
const SCRIPT = `group=
while read -r word; do
  case $word in
    done) exit ;;
    idle) group= ;;
    *) group=$word ;;
  esac
done
[ -z "$group" ] || kill -s KILL -- "-$group"
eval "$1"`;

export interface Guard {
  /** A command runs in this process group; without one, none does any more. */
  runs(group?: number): void;
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
  return {
    runs: (group) => void shell.stdin.write(`${group ?? 'idle'}\n`),
    dismiss: () => void shell.stdin.end('done\n'),
  };
}
