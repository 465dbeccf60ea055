import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';

/**
 * A shell at the other end of a pipe notices the end of this process: however it ends, the kernel closes
 * the pipe. It costs next to nothing while it waits.
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
exec "$@"`;

/** Outlives this process, and does what it was told should that end before it has dismissed its guard. */
export interface Guard {
  /** Its process id. Rejects when there is no /bin/sh; a caller that does not ask continues without a guard. */
  readonly started: Promise<number>;
  /** First of all it kills this process group; without one, none any more. */
  runs(group?: number): void;
  /** Nothing is left to do. Resolves when it has ended. */
  dismiss(): Promise<void>;
}

/**
 * Starts a guard, in a session of its own.
 * @param name in the process table
 * @param command what it finally becomes: a program and its arguments; none, to kill a group and no more
 */
export function startGuard(
  name: string,
  command: readonly string[] = [],
  { cwd = '/', env }: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Guard {
  const shell = spawn('/bin/sh', ['-c', SCRIPT, name, ...command], {
    cwd,
    env,
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const started = once(shell, 'spawn').then(() => shell.pid ?? 0);
  started.catch(() => {});
  const ended = new Promise<void>((resolve) => shell.once('exit', () => resolve()));
  // Only a kill of this process would show that there is none, or that it was killed.
  shell.on('error', () => {});
  shell.stdin.on('error', () => {});
  shell.unref();
  (shell.stdin as Socket).unref();
  return {
    started,
    runs: (group) => void shell.stdin.write(`${group ?? 'idle'}\n`),
    dismiss() {
      shell.ref();
      shell.stdin.end('done\n');
      return ended;
    },
  };
}
