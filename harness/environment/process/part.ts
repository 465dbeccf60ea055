import { readFile } from 'node:fs/promises';
import { SyncproofError } from '../../core/errors.ts';
import { withoutSecrets } from '../../core/text.ts';
import type { PartLabel } from '../../record/history.ts';
import type { PartControl } from '../common/environment.ts';
import { Child, type ChildOptions } from './child.ts';
import { processTree } from './table.ts';

/**
 * The resident memory of a process and of everything below it, in bytes: what each has for itself, and once what they
 * share, as PostgreSQL's backends do their buffers. Linux only (proc(5), `/proc/PID/status`).
 * @returns undefined where there is no such process, or it cannot be read
 */
export async function residentBytes(root: number): Promise<number | undefined> {
  const each = await Promise.all(processTree(root).map(statusOf));
  const known = each.filter((status) => status !== undefined);
  if (known.length === 0) return undefined;
  const own = known.reduce((sum, { anonymous }) => sum + anonymous, 0);
  return own + Math.max(...known.map(({ shareable }) => shareable));
}

async function statusOf(pid: number): Promise<{ anonymous: number; shareable: number } | undefined> {
  // Gone since it was listed, or another system.
  const text = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => undefined);
  if (text === undefined || !text.includes('RssAnon:')) return undefined;
  const bytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0) * 1024;
  return { anonymous: bytes('RssAnon'), shareable: bytes('RssFile') + bytes('RssShmem') };
}

/** How long a part may take from its start to its first answer. */
const START_TIMEOUT_MS = 30_000;
const STOP_GRACE_MS = 10_000;

export interface PartPlan {
  name: PartLabel;
  logPath: string;
  /** What to run; called at every start, so it may prepare data first. */
  launch(signal?: AbortSignal): Promise<Omit<ChildOptions, 'name' | 'logPath'>>;
  /** Throws until the part answers. */
  probe(): Promise<unknown>;
  /** The signal for an orderly end; SIGTERM when absent. */
  stopSignal?: NodeJS.Signals;
  /** The signal for the end of the whole environment, when its data is no longer needed. */
  discardSignal: NodeJS.Signals;
  /** How long a discarded part may take before it is killed. */
  discardGraceMs: number;
  wipe?(): Promise<void>;
  /** Called with the pid of every process before it is waited for. */
  onSpawn(pid: number): Promise<void>;
  /** Called when it exits unexpectedly. */
  onCrash(exitCode: number | null): void;
  /** Texts that must not appear in what `logs` gives. */
  secrets: readonly string[];
}

/** A part that is a child process: absent → starting → running ⇄ paused → absent. */
export class ProcessPart implements PartControl {
  readonly name: PartLabel;
  readonly #plan: PartPlan;
  #child: Child | undefined;
  #expectExit = false;
  /** After the environment's end, nothing starts any more. */
  #discarded = false;

  constructor(plan: PartPlan) {
    this.name = plan.name;
    this.#plan = plan;
  }

  async running(): Promise<boolean> {
    return this.#child?.running ?? false;
  }

  async start(signal?: AbortSignal): Promise<void> {
    if (this.#child?.running) throw new SyncproofError(`Cannot start ${this.name}: it is running`);
    const launch = await this.#plan.launch(signal);
    if (this.#discarded) throw new SyncproofError(`Cannot start ${this.name}: its environment has ended`);
    signal?.throwIfAborted();
    const child = await Child.spawn({ ...launch, name: this.name, logPath: this.#plan.logPath });
    this.#child = child;
    this.#expectExit = false;
    await this.#plan.onSpawn(child.pid);
    await child.ready({
      probe: () => this.#plan.probe(),
      logs: () => this.logs(),
      timeoutMs: START_TIMEOUT_MS,
      signal,
    });
    void child.exited.then(() => {
      if (this.#child === child && !this.#expectExit) this.#plan.onCrash(child.exitCode);
    });
  }

  async kill(): Promise<void> {
    this.#expectExit = true;
    await this.#child?.kill();
  }

  async stop(graceMs = STOP_GRACE_MS): Promise<{ exitCode: number | null; ms: number }> {
    this.#expectExit = true;
    return (await this.#child?.stop(graceMs, this.#plan.stopSignal)) ?? { exitCode: null, ms: 0 };
  }

  async pause(): Promise<void> {
    await this.#required('pause').pause();
  }

  async resume(): Promise<void> {
    await this.#required('resume').resume();
  }

  async signalChild(pid: number, signal: 'SIGSTOP' | 'SIGCONT'): Promise<void> {
    await this.#required('signal').signalChild(pid, signal);
  }

  async wipe(): Promise<void> {
    if (this.#plan.wipe === undefined) throw new SyncproofError(`Cannot wipe ${this.name}: it has no data`);
    if (this.#child?.running) throw new SyncproofError(`Cannot wipe ${this.name}: it is running`);
    await this.#plan.wipe();
  }

  async logs(): Promise<string> {
    const text = await readFile(this.#plan.logPath, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
      throw error;
    });
    return withoutSecrets(text, this.#plan.secrets);
  }

  async memoryBytes(): Promise<number | undefined> {
    return this.#child?.running ? residentBytes(this.#child.pid) : undefined;
  }

  /** Ends the part for good, in whatever state it is. */
  async discard(): Promise<void> {
    this.#discarded = true;
    this.#expectExit = true;
    const child = this.#child;
    if (child === undefined || !child.running) return;
    try {
      await child.resume();
      await child.stop(this.#plan.discardGraceMs, this.#plan.discardSignal);
    } catch {
      // It exited meanwhile, or did not listen: either way the kill decides, and reports.
    }
    await child.kill();
  }

  #required(verb: string): Child {
    if (this.#child === undefined) throw new SyncproofError(`Cannot ${verb} ${this.name}: it is not running`);
    return this.#child;
  }
}
