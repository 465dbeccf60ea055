import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { DeadlineError, describeError, SyncproofError, UnreachableError } from '../../core/errors.ts';
import { monotonicMs, pollUntil, untilAnswers } from '../../core/time.ts';
import { findProcess, processTree, signalProcess } from './table.ts';

export interface ChildOptions {
  /** For errors: "redis". */
  name: string;
  command: string;
  args: readonly string[];
  /** All of the child's environment variables. */
  env: Record<string, string>;
  cwd: string;
  /** Both output streams are appended to this file. */
  logPath: string;
  uid?: number;
  gid?: number;
}

export interface ReadyOptions {
  /** Throws until it answers. */
  probe(): Promise<unknown>;
  logs(): Promise<string>;
  timeoutMs: number;
  signal?: AbortSignal | undefined;
}

const KILL_TIMEOUT_MS = 5000;

/**
 * A process in a process group of its own (so a Ctrl-C in the terminal reaches the harness alone), with its tree.
 * running ⇄ paused → gone. Every promise resolves when the kernel shows the new state.
 */
export class Child {
  readonly pid: number;
  readonly name: string;
  readonly #process: ChildProcess;
  readonly exited: Promise<void>;
  #gone = false;

  private constructor(process: ChildProcess, pid: number, options: ChildOptions) {
    this.#process = process;
    this.pid = pid;
    this.name = options.name;
    this.exited = new Promise((resolve) => {
      process.once('exit', () => {
        this.#gone = true;
        resolve();
      });
    });
  }

  /** @throws UnreachableError when the program cannot be started */
  static async spawn(options: ChildOptions): Promise<Child> {
    const log = openSync(options.logPath, 'a');
    try {
      const child = spawn(options.command, options.args, {
        cwd: options.cwd,
        env: options.env,
        detached: true,
        stdio: ['ignore', log, log],
        uid: options.uid,
        gid: options.gid,
      });
      if (child.pid === undefined) {
        const [cause] = await new Promise<[Error]>((resolve) => child.once('error', (error) => resolve([error])));
        throw new UnreachableError(`Cannot start ${options.name} (${options.command})`, { cause });
      }
      // Only signals that cannot be sent arrive here from now on, and those are seen by their missing effect.
      child.on('error', () => {});
      return new Child(child, child.pid, options);
    } finally {
      closeSync(log);
    }
  }

  get running(): boolean {
    return !this.#gone;
  }

  get exitCode(): number | null {
    return this.#process.exitCode;
  }

  /** SIGKILL to the whole tree; resolves when the process was reaped and none of its children is left. */
  async kill(): Promise<void> {
    const tree = this.#gone ? [] : processTree(this.pid);
    for (const pid of tree) signalProcess(pid, 'SIGKILL');
    await pollUntil(() => (this.#gone && tree.every((pid) => findProcess(pid) === undefined) ? true : undefined), {
      what: `${this.name} (pid ${this.pid}) to be gone`,
      timeoutMs: KILL_TIMEOUT_MS,
      intervalMs: 2,
    });
  }

  /**
   * Sends `signal` and waits for the process to exit by itself.
   * @throws DeadlineError, after killing it, when it does not within `graceMs`
   */
  async stop(graceMs: number, signal: NodeJS.Signals = 'SIGTERM'): Promise<{ exitCode: number | null; ms: number }> {
    const startedAt = monotonicMs();
    if (!this.#gone) {
      signalProcess(this.pid, signal);
      const timer = Promise.withResolvers<'late'>();
      const timeout = setTimeout(() => timer.resolve('late'), graceMs);
      const outcome = await Promise.race([this.exited, timer.promise]);
      clearTimeout(timeout);
      if (outcome === 'late') {
        await this.kill();
        throw new DeadlineError(`${this.name} did not exit within ${graceMs} ms of ${signal}`, { facts: { graceMs } });
      }
    }
    return { exitCode: this.#process.exitCode, ms: monotonicMs() - startedAt };
  }

  async pause(): Promise<void> {
    this.#assertRunning('pause');
    // Parents first, so that none starts a child behind our back; what appeared meanwhile is caught by the poll.
    await pollUntil(
      () => {
        const awake = processTree(this.pid).filter((pid) => !/^[TtZX]/.test(findProcess(pid)?.state ?? 'X'));
        for (const pid of awake) signalProcess(pid, 'SIGSTOP');
        return awake.length === 0 ? true : undefined;
      },
      { what: `${this.name} to be stopped`, timeoutMs: KILL_TIMEOUT_MS, intervalMs: 2 },
    );
  }

  async resume(): Promise<void> {
    this.#assertRunning('resume');
    const tree = processTree(this.pid);
    // Children first: a parent that wakes up alone may take its silent children for dead.
    for (const pid of tree.toReversed()) signalProcess(pid, 'SIGCONT');
    await pollUntil(() => (tree.some((pid) => /^[Tt]/.test(findProcess(pid)?.state ?? '')) ? undefined : true), {
      what: `${this.name} to run again`,
      timeoutMs: KILL_TIMEOUT_MS,
      intervalMs: 2,
    });
  }

  /** Stops or continues one process of the tree; resolves when the kernel shows the new state. */
  async signalChild(pid: number, signal: 'SIGSTOP' | 'SIGCONT'): Promise<void> {
    this.#assertRunning('signal');
    if (!processTree(this.pid).includes(pid)) throw new SyncproofError(`${this.name} has no process ${pid}`);
    signalProcess(pid, signal);
    await pollUntil(
      () => {
        const stopped = /^[Tt]/.test(findProcess(pid)?.state ?? '');
        return stopped === (signal === 'SIGSTOP') ? true : undefined;
      },
      { what: `process ${pid} of ${this.name} to follow ${signal}`, timeoutMs: KILL_TIMEOUT_MS, intervalMs: 2 },
    );
  }

  /**
   * Waits until `probe` answers; gives up at once when the process has exited.
   * @throws UnreachableError with the last lines of what `logs` gives
   */
  async ready({ probe, logs, timeoutMs, signal }: ReadyOptions): Promise<void> {
    const exited = new AbortController();
    const given = signal === undefined ? exited.signal : AbortSignal.any([signal, exited.signal]);
    void this.exited.then(() => exited.abort(new SyncproofError(`it exited with ${this.#process.exitCode}`)));
    try {
      await untilAnswers(probe, {
        what: `${this.name} to answer`,
        timeoutMs,
        intervalMs: 3,
        intervalMsMax: 40,
        signal: given,
      });
    } catch (cause) {
      signal?.throwIfAborted();
      const log = (await logs()).trim().split('\n').slice(-15).join('\n');
      throw new UnreachableError(`${this.name} did not start: ${describeError(cause)}\n${log}`, { cause });
    }
  }

  #assertRunning(verb: string): void {
    if (this.#gone) throw new SyncproofError(`Cannot ${verb} ${this.name}: it is not running`);
  }
}
