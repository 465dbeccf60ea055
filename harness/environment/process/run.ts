import { spawn } from 'node:child_process';
import { SyncproofError } from '../../core/errors.ts';

export interface RunOptions {
  env?: Record<string, string>;
  cwd?: string;
  /** Fed to the command's standard input. */
  input?: string;
  /** The command is killed after this time. */
  timeoutMs: number;
  signal?: AbortSignal;
  uid?: number;
  gid?: number;
}

/**
 * Runs a command to its end and gives what it wrote to standard output.
 * @throws SyncproofError with the last lines of its error output when it cannot be started or does not exit with 0
 */
export function run(command: string, args: readonly string[], options: RunOptions): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const child = spawn(command, args, {
    stdio: 'pipe',
    cwd: options.cwd,
    env: options.env,
    uid: options.uid,
    gid: options.gid,
    signal: options.signal,
    timeout: options.timeoutMs,
    killSignal: 'SIGKILL',
  });
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  child.stderr.on('data', (chunk) => {
    errors = (errors + chunk).slice(-4000);
  });
  // A command that does not read its input closes the pipe early; its exit code tells whether that was a failure.
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  child.once('error', (cause) => reject(new SyncproofError(`Cannot run ${command}`, { cause })));
  child.once('close', (code, signal) => {
    if (code === 0) return resolve(output);
    const how = signal === null ? `exited with ${code}` : `was ended by ${signal} (limit ${options.timeoutMs} ms)`;
    reject(new SyncproofError(`${command} ${how}: ${(errors.trim() || output.trim().slice(-2000)).slice(-2000)}`));
  });
  return promise;
}
