import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { GenericContainer } from 'testcontainers';
import { DeadlineError, describeError, SyncproofError, UnreachableError } from '../../core/errors.ts';
import { withoutSecrets } from '../../core/text.ts';
import { monotonicMs, pollUntil, untilAnswers } from '../../core/time.ts';
import type { PartLabel } from '../../record/history.ts';
import { type Container, ENVIRONMENT_LABEL, type Engine, type HostAccess, within } from '../common/docker.ts';
import type { PartControl } from '../common/environment.ts';
import { connectError } from '../process/probes.ts';

/** Everything needed to create a part's container, again after a wipe. */
export interface PartRecipe {
  environmentId: string;
  /** Names the container, with the environment's id. */
  part: PartLabel;
  image: string;
  command: readonly string[];
  environment: Readonly<Record<string, string>>;
  /** The port it listens on inside … */
  containerPort: number;
  /** … and the one it is published at, the same over restarts. */
  hostPort: number;
  publishOn: readonly string[];
  extraHosts: HostAccess['extraHosts'];
  /** Files put into it before it starts; secrets come this way, never as labels or arguments. */
  files: readonly { content: string; target: string }[];
  folders: readonly { source: string; target: string }[];
  volumes: readonly { name: string; target: string }[];
}

/** Readiness is probed from outside: many images have no shell, which the library's own port check needs. */
const NO_WAIT = {
  waitUntilReady: async () => {},
  withStartupTimeout: () => NO_WAIT,
  isStartupTimeoutSet: () => true,
  getStartupTimeout: () => 0,
};

/** A container of one part; its id is told before it starts. */
class PartContainer extends GenericContainer {
  readonly #recipe: PartRecipe;
  readonly #onCreated: (id: string) => Promise<void>;

  constructor(recipe: PartRecipe, onCreated: (id: string) => Promise<void>) {
    super(recipe.image);
    this.#recipe = recipe;
    this.#onCreated = onCreated;
    this.withLabels({ [ENVIRONMENT_LABEL]: recipe.environmentId });
    this.withName(`syncproof-${recipe.environmentId}-${recipe.part}`);
    this.withCommand([...recipe.command]);
    this.withEnvironment({ ...recipe.environment });
    this.withExposedPorts({ container: recipe.containerPort, host: recipe.hostPort });
    this.withExtraHosts([...recipe.extraHosts]);
    this.withCopyContentToContainer(recipe.files.map((file) => ({ ...file, mode: 0o644 })));
    this.withCopyDirectoriesToContainer([...recipe.folders]);
    this.withBindMounts(recipe.volumes.map(({ name, target }) => ({ source: name, target })));
    this.withWaitStrategy(NO_WAIT);
    // The harness's own watchdog removes what is left; no further image is needed for that.
    this.withAutoCleanup(false);
  }

  protected override async beforeContainerCreated(): Promise<void> {
    const { containerPort, hostPort, publishOn } = this.#recipe;
    // Only where the harness and other containers look for it, instead of on every interface.
    this.hostConfig.PortBindings = {
      [`${containerPort}/tcp`]: publishOn.map((address) => ({ HostIp: address, HostPort: String(hostPort) })),
    };
    // An image's own health check would only cost processor time: the harness probes for itself.
    this.createOpts.Healthcheck = { Test: ['NONE'] };
  }

  protected override async containerCreated(id: string): Promise<void> {
    await this.#onCreated(id);
  }
}

/** How long a part may take from its start to its first answer; a first start may initialize data. */
const START_TIMEOUT_MS = 60_000;
const STOP_GRACE_MS = 10_000;
const KILL_TIMEOUT_MS = 10_000;

export interface ContainerPartOptions {
  name: PartLabel;
  engine: Engine;
  recipe: PartRecipe;
  /** Output of all its containers is appended to this file. */
  logPath: string;
  /** Throws until the part answers. */
  probe(): Promise<unknown>;
  /** The signal for an orderly end. */
  stopSignal: NodeJS.Signals;
  hasData: boolean;
  /** Called when it exits unexpectedly. */
  onCrash(exitCode: number | null): void;
  /** Texts that must not appear in what `logs` gives. */
  secrets: readonly string[];
}

/** One life of a container's process, from a start to its exit. */
interface Life {
  exited: Promise<number | null>;
  over: boolean;
  /** Resolves when its output was written down. */
  logged: Promise<void>;
}

/** A part that is a container: absent → starting → running ⇄ paused → exited → starting …; a wipe makes it absent again. */
export class ContainerPart implements PartControl {
  readonly name: PartLabel;
  readonly #options: ContainerPartOptions;
  #container: Container | undefined;
  #life: Life | undefined;
  #expectExit = false;
  /** After the environment's end, nothing starts any more. */
  #discarded = false;

  constructor(options: ContainerPartOptions) {
    this.name = options.name;
    this.#options = options;
  }

  async running(): Promise<boolean> {
    return (await this.#state())?.Running ?? false;
  }

  /** The container's id, when it was created. */
  get containerId(): string | undefined {
    return this.#container?.id;
  }

  async start(signal?: AbortSignal): Promise<void> {
    if (await this.running()) throw new SyncproofError(`Cannot start ${this.name}: it is running`);
    if (this.#discarded) throw new SyncproofError(`Cannot start ${this.name}: its environment has ended`);
    signal?.throwIfAborted();
    this.#expectExit = false;
    const life = await this.#launch();
    await this.#ready(life, signal);
    void life.exited.then((exitCode) => {
      if (this.#life === life && !this.#expectExit) this.#options.onCrash(exitCode);
    });
  }

  async kill(): Promise<void> {
    this.#expectExit = true;
    if (!(await this.running())) return;
    await this.#signal('SIGKILL');
    await this.#gone();
  }

  async stop(graceMs = STOP_GRACE_MS): Promise<{ exitCode: number | null; ms: number }> {
    this.#expectExit = true;
    const startedAt = monotonicMs();
    const { stopSignal } = this.#options;
    const life = this.#life;
    if (life === undefined) return { exitCode: null, ms: 0 };
    if (!life.over) await this.#signal(stopSignal);
    const late = (): Error =>
      new DeadlineError(`${this.name} did not exit within ${graceMs} ms of ${stopSignal}`, { facts: { graceMs } });
    try {
      const exitCode = await within(graceMs, life.exited, late);
      const ms = monotonicMs() - startedAt;
      await this.#gone();
      return { exitCode, ms };
    } catch (error) {
      await this.kill();
      throw error;
    }
  }

  async pause(): Promise<void> {
    const container = await this.#required('pause');
    if ((await container.inspect()).State.Paused) return;
    await container.pause();
  }

  async resume(): Promise<void> {
    const container = await this.#required('resume');
    if ((await container.inspect()).State.Paused) await container.unpause();
  }

  async signalChild(pid: number, signal: 'SIGSTOP' | 'SIGCONT'): Promise<void> {
    const { engine } = this.#options;
    const container = await this.#required('signal');
    // By a shell's own kill: images have few programs. The third word of /proc/PID/stat is the state, T for stopped.
    const script = `kill -s ${signal.slice(3)} ${pid} && cat /proc/${pid}/stat`;
    await pollUntil(
      async () => {
        const { output, exitCode } = await engine.container.exec(container, ['sh', '-c', script]);
        // One whose client left while it was suspended ends as soon as it continues.
        if (signal === 'SIGCONT' && /No such (process|file)/.test(output)) return true;
        if (exitCode !== 0) throw new SyncproofError(`Cannot signal process ${pid} of ${this.name}: ${output.trim()}`);
        const stopped = /\) [Tt] /.test(output);
        return stopped === (signal === 'SIGSTOP') ? true : undefined;
      },
      { what: `process ${pid} of ${this.name} to follow ${signal}`, timeoutMs: KILL_TIMEOUT_MS, intervalMs: 5 },
    );
  }

  async wipe(): Promise<void> {
    if (!this.#options.hasData) throw new SyncproofError(`Cannot wipe ${this.name}: it has no data`);
    if (await this.running()) throw new SyncproofError(`Cannot wipe ${this.name}: it is running`);
    await this.#container?.remove({ v: true });
    this.#container = undefined;
    this.#life = undefined;
  }

  async logs(): Promise<string> {
    if (this.#life?.over) await this.#life.logged;
    const text = await readFile(this.#options.logPath, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
      throw error;
    });
    return withoutSecrets(text, this.#options.secrets);
  }

  async memoryBytes(): Promise<number | undefined> {
    const container = this.#container;
    if (container === undefined || this.#life?.over !== false) return undefined;
    // Its end between the question and the answer is not an error.
    const stats = await container.stats({ stream: false, 'one-shot': true }).catch(() => undefined);
    const kinds = stats?.memory_stats.stats as { anon?: number; total_rss?: number } | undefined;
    // The second generation of control groups, or the first.
    return kinds?.anon ?? kinds?.total_rss;
  }

  /** From now on nothing starts, and an exit is no crash; the container itself is removed with the environment's others. */
  discard(): void {
    this.#discarded = true;
    this.#expectExit = true;
  }

  /** Resolves when nothing of its containers' output is on its way to the log file any more. */
  async flushed(): Promise<void> {
    await this.#life?.logged;
  }

  async #launch(): Promise<Life> {
    const { engine, recipe } = this.#options;
    const existing = this.#container;
    if (existing !== undefined) {
      const life = await this.#follow(existing);
      await existing.start();
      return life;
    }
    let life: Life | undefined;
    const created = await new PartContainer(recipe, async (id) => {
      this.#container = engine.container.getById(id);
      // Before it starts, so that no line is missed.
      life = await this.#follow(this.#container);
    }).start();
    if (life === undefined)
      throw new SyncproofError(`${this.name} started as ${created.getId()} without being created`);
    return life;
  }

  /** Watches a container that is about to start: its output and its exit. */
  async #follow(container: Container): Promise<Life> {
    const output = await this.#options.engine.container.attach(container);
    const life: Life = { exited: Promise.resolve(null), over: false, logged: writeDown(output, this.#options.logPath) };
    life.exited = container.wait({ condition: 'next-exit' }).then(
      ({ StatusCode }: { StatusCode: number }) => StatusCode,
      // Removed by another process, or the daemon went away: how it ended is unknown.
      () => null,
    );
    void life.exited.then(() => {
      life.over = true;
    });
    this.#life = life;
    return life;
  }

  async #ready(life: Life, signal: AbortSignal | undefined): Promise<void> {
    const ended = new AbortController();
    void life.exited.then((code) => ended.abort(new SyncproofError(`it exited with ${code}`)));
    try {
      await untilAnswers(() => this.#options.probe(), {
        what: `${this.name} to answer`,
        timeoutMs: START_TIMEOUT_MS,
        intervalMs: 5,
        intervalMsMax: 50,
        signal: signal === undefined ? ended.signal : AbortSignal.any([signal, ended.signal]),
      });
    } catch (cause) {
      signal?.throwIfAborted();
      const log = (await this.logs()).trim().split('\n').slice(-15).join('\n');
      throw new UnreachableError(`${this.name} did not start: ${describeError(cause)}\n${log}`, { cause });
    }
  }

  async #signal(signal: NodeJS.Signals): Promise<void> {
    await this.#container?.kill({ signal }).catch((error: { statusCode?: number }) => {
      // It exited by itself in this very moment.
      if (error.statusCode !== 409) throw error;
    });
  }

  /** Resolves when the daemon says it exited and nothing listens at its published port any more. */
  async #gone(): Promise<void> {
    const address = { host: '127.0.0.1', port: this.#options.recipe.hostPort };
    await pollUntil(
      async () => {
        if (await this.running()) return undefined;
        return (await connectError(address, 500)) === 'ECONNREFUSED' ? true : undefined;
      },
      { what: `${this.name} to be gone`, timeoutMs: KILL_TIMEOUT_MS, intervalMs: 5 },
    );
  }

  async #state(): Promise<{ Running: boolean; Paused: boolean } | undefined> {
    return (await this.#container?.inspect())?.State;
  }

  async #required(verb: string): Promise<Container> {
    if (this.#container === undefined || !(await this.running()))
      throw new SyncproofError(`Cannot ${verb} ${this.name}: it is not running`);
    return this.#container;
  }
}

/** Appends a container's output to a file; resolves at its end. */
async function writeDown(output: Readable, path: string): Promise<void> {
  const file = createWriteStream(path, { flags: 'a' });
  output.pipe(file);
  // A connection that breaks with the daemon ends the log where it is; the part's own state tells what happened.
  await finished(file).catch(() => {});
}
