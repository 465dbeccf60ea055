import { dirname } from 'node:path';
import type { ControlHooks, Target } from '../../config/target.ts';
import { DeadlineError, InconclusiveError, SyncproofError, UnreachableError } from '../../core/errors.ts';
import { monotonicMs, pollUntil, untilAnswers } from '../../core/time.ts';
import type { PartName } from '../../record/history.ts';
import type { Environment, Instance, PartControl, ScalableService, ServerAddress } from '../common/environment.ts';
import { type Guard, startGuard } from '../process/guard.ts';
import { connectError, expectStatus } from '../process/probes.ts';
import { type Commands, commandsOf, runCommand, type Verb } from './hooks.ts';

/**
 * Restores a component of an external pipeline if this process dies before it did. A command that is still at work is
 * ended first: it would undo what puts the part back.
 */
function guardWith(command: string, cwd: string): Guard {
  return startGuard('syncproof-restore', ['/bin/sh', '-c', command, 'syncproof-restore'], { cwd });
}

export interface ExternalPartOptions {
  name: PartName;
  commands: Commands;
  /** Where it listens; undefined when the target file does not say: then nothing can be done to it. */
  address: ServerAddress | undefined;
  /** Throws until it answers. */
  probe(): Promise<unknown>;
  /** Commands run there. */
  cwd: string;
  timeoutMs: number;
  /** A command that is at work when the part is put back has this long to come to its end. */
  commandEndsMs?: number;
  /** Texts that must not appear in messages about them. */
  secrets: readonly string[];
  /** False: one that need not be there, so that only what ended it starts it again. */
  keptUp?: boolean;
}

/** The host of a URL; the brackets around an IPv6 address belong to the URL. */
export function hostOf(url: string): string {
  return new URL(url).hostname.replace(/^\[|\]$/g, '');
}

/** Where the service with that URL takes connections. */
export function addressOf(url: string): ServerAddress {
  const { port, protocol } = new URL(url);
  return { host: hostOf(url), port: Number(port || (protocol === 'https:' ? 443 : 80)) };
}

/** Docker gives a container 10 s to stop, whether or not that is awaited. */
const COMMAND_ENDS_MS = 12_000;
const DIES_MS = 1000;

/**
 * A component of an external pipeline, stopped and started by the target file's commands. It remembers what was done,
 * so that `restore` can undo it: up ⇄ down, up ⇄ paused.
 */
export class ExternalPart implements PartControl {
  readonly name: PartName;
  readonly #options: ExternalPartOptions;
  #state: 'up' | 'down' | 'paused' = 'up';
  #guard: Guard | undefined;
  /** Aborts the commands that are at work. */
  #commands = new AbortController();
  #atWork: Promise<unknown> | undefined;
  #starting: Promise<void> | undefined;

  constructor(options: ExternalPartOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** Without a process table to look into: whether something takes connections at its address. */
  async running(): Promise<boolean> {
    const { address } = this.#options;
    if (address === undefined) return true;
    return (await connectError(address)) === undefined;
  }

  async kill(): Promise<void> {
    await this.#end('kill', this.#options.timeoutMs);
  }

  async stop(graceMs = this.#options.timeoutMs): Promise<{ exitCode: number | null; ms: number }> {
    const startedAt = monotonicMs();
    try {
      await this.#end('stop', graceMs);
    } catch (error) {
      if (error instanceof DeadlineError) await this.kill();
      throw error;
    }
    // How it ended is unknown.
    return { exitCode: null, ms: monotonicMs() - startedAt };
  }

  /** Callers that ask while it is being started wait for the same start. */
  start(): Promise<void> {
    this.#starting ??= this.#start().finally(() => {
      this.#starting = undefined;
    });
    return this.#starting;
  }

  async #start(): Promise<void> {
    try {
      await this.#run('start');
    } catch (cause) {
      throw new InconclusiveError(`${this.name} could not be started, and is down until you start it`, { cause });
    }
    await this.#untilAnswers();
    this.#back();
  }

  async pause(): Promise<void> {
    this.#guard ??= this.#guardWith('resume');
    this.#state = 'paused';
    await this.#run('pause');
  }

  async resume(): Promise<void> {
    await this.#run('resume');
    await this.#untilAnswers();
    this.#back();
  }

  async wipe(): Promise<void> {
    await this.#run('wipe');
  }

  async signalChild(): Promise<void> {
    throw new SyncproofError(`Single processes of ${this.name} cannot be reached from here`);
  }

  async logs(): Promise<string> {
    return '';
  }

  /**
   * Undoes whatever is still done to it. A command that is still at work comes to its end first, or is ended: a slow one
   * would break the part again after it was put back, and so would what it asked a daemon for.
   * @throws InconclusiveError saying that the part is left broken, and why
   */
  async restore(): Promise<void> {
    if (this.#state === 'up') {
      // It must not be ended while it is still starting.
      await this.#starting?.catch(() => {});
      return;
    }
    if (this.#starting === undefined) {
      const tooSlow = setTimeout(() => this.#commands.abort(), this.#options.commandEndsMs ?? COMMAND_ENDS_MS);
      // Its caller is told of its end.
      await this.#atWork?.catch(() => {});
      clearTimeout(tooSlow);
      this.#commands = new AbortController();
    }
    try {
      await this.#putBack();
    } catch (cause) {
      throw new InconclusiveError(`${this.name} could not be restored, and is left ${this.#state}`, { cause });
    }
  }

  async #putBack(): Promise<void> {
    // Its command to end it failed, or did nothing: a start would be a second one, beside the first.
    if (this.#state === 'down' && (await this.#stillAnswers())) this.#back();
    else if (this.#state === 'down' && this.#options.keptUp !== false) await this.start();
    else if (this.#state === 'paused') await this.resume();
  }

  /** Not only for the moment: what was killed just now can answer once more. */
  async #stillAnswers(): Promise<boolean> {
    const { address, probe } = this.#options;
    if (address === undefined) return false;
    const silent = (): Promise<true | undefined> =>
      probe().then(
        () => undefined,
        () => true,
      );
    return pollUntil(silent, { what: `${this.name} to be silent`, timeoutMs: DIES_MS }).then(
      () => false,
      () => true,
    );
  }

  async #end(verb: 'kill' | 'stop', timeoutMs: number): Promise<void> {
    const { address } = this.#options;
    this.#guard ??= this.#guardWith('start');
    this.#state = 'down';
    await this.#run(verb);
    if (address === undefined) return;
    await pollUntil(async () => ((await connectError(address)) === undefined ? undefined : true), {
      what: `${this.name} to be gone after ${verb}`,
      timeoutMs,
      intervalMs: 10,
    });
  }

  async #untilAnswers(): Promise<void> {
    const { probe, timeoutMs } = this.#options;
    try {
      await untilAnswers(probe, { what: `${this.name} to answer`, timeoutMs, intervalMs: 10, intervalMsMax: 100 });
    } catch (cause) {
      throw new UnreachableError(`${this.name} does not answer although its command has ended well`, { cause });
    }
  }

  #back(): void {
    this.#state = 'up';
    void this.#guard?.dismiss();
    this.#guard = undefined;
  }

  #guardWith(verb: 'start' | 'resume'): Guard | undefined {
    const { commands, keptUp } = this.#options;
    const command = verb === 'start' && keptUp === false ? undefined : commands[verb];
    return command === undefined ? undefined : guardWith(command, this.#options.cwd);
  }

  async #run(verb: Verb): Promise<void> {
    const { commands, cwd, timeoutMs, secrets } = this.#options;
    const command = commands[verb];
    if (command === undefined) throw new SyncproofError(`The target file does not say how to ${verb} ${this.name}`);
    const guard = this.#guard;
    const options = { part: this.name, verb, cwd, timeoutMs, secrets, signal: this.#commands.signal };
    const running = runCommand(command, { ...options, onStarted: (group) => guard?.runs(group) });
    this.#atWork = running;
    try {
      await running;
    } finally {
      guard?.runs();
    }
  }
}

interface Further extends AsyncDisposable {
  start: Environment['startInstance'];
}

/**
 * Further instances, by the commands of the target file: started when a case asks for one; ended when it is done with it,
 * at the latest when this is disposed, and by a watcher should this process be killed.
 */
export function furtherInstances(target: Target): Further {
  const started = new Map<string, Instance>();
  return {
    async start(service) {
      const all = target.services[service].more ?? [];
      const index = all.findIndex(({ url }) => !started.has(url));
      const entry = all[index];
      if (entry === undefined) throw new SyncproofError(`The target file names no more instances of ${service}`);
      const { url, ...hooks } = entry;
      const cwd = dirname(target.file);
      const part = partOf(service, { url, hooks, cwd, secrets: target.secrets });
      const guard = guardWith(hooks.stop, cwd);
      let ending: Promise<void> | undefined;
      const end = async (): Promise<void> => {
        try {
          await endPart(part);
        } finally {
          void guard.dismiss();
          started.delete(url);
        }
      };
      const instance: Instance = {
        name: `${service}-${index + 2}`,
        service,
        url: url.replace(/\/+$/, ''),
        part,
        [Symbol.asyncDispose]: () => (ending ??= end()),
      };
      started.set(url, instance);
      await part.start();
      return instance;
    },
    async [Symbol.asyncDispose]() {
      await using all = new AsyncDisposableStack();
      for (const instance of started.values()) all.use(instance);
    },
  };
}

function partOf(
  name: ScalableService,
  { url, hooks, cwd, secrets }: { url: string; hooks: ControlHooks; cwd: string; secrets: readonly string[] },
): ExternalPart {
  return new ExternalPart({
    name,
    cwd,
    secrets,
    commands: commandsOf(hooks),
    address: addressOf(url),
    keptUp: false,
    timeoutMs: hooks.timeout_s * 1000,
    probe: () => expectStatus(`${url.replace(/\/+$/, '')}/health/live`),
  });
}

/** @throws DeadlineError when it had to be killed, SyncproofError when not even that ends it */
async function endPart(part: ExternalPart): Promise<void> {
  await part.restore();
  if (await part.running()) await part.stop();
}
