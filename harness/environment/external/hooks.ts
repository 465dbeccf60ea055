import { spawn } from 'node:child_process';
import { environmentWith } from '../../config/settings.ts';
import type { ControlHooks } from '../../config/target.ts';
import { InconclusiveError } from '../../core/errors.ts';
import { withoutSecrets } from '../../core/text.ts';
import type { PartName } from '../../record/history.ts';

export const VERBS = ['kill', 'stop', 'start', 'pause', 'resume', 'wipe'] as const;
export type Verb = (typeof VERBS)[number];

/** A shell command per verb that the target file gives, directly or by naming what the part runs in. */
export type Commands = Readonly<Partial<Record<Verb, string>>>;

const KUBECTL_GRACE_S = 10;

export function commandsOf(hooks: ControlHooks): Commands {
  const { docker, compose, kubectl } = hooks;
  const own = Object.fromEntries(VERBS.flatMap((verb) => (hooks[verb] === undefined ? [] : [[verb, hooks[verb]]])));
  return {
    ...(docker && dockerCommands('docker', quoted(docker))),
    ...(compose && dockerCommands(composeProgram(compose), quoted(compose.service))),
    ...(kubectl && kubectlCommands(kubectl)),
    ...own,
  };
}

function dockerCommands(program: string, name: string): Commands {
  return {
    kill: `${program} kill ${name}`,
    stop: `${program} stop ${name}`,
    start: `${program} start ${name}`,
    pause: `${program} pause ${name}`,
    resume: `${program} unpause ${name}`,
  };
}

function composeProgram({ file, project }: NonNullable<ControlHooks['compose']>): string {
  return `docker compose -f ${quoted(file)}${project === undefined ? '' : ` -p ${quoted(project)}`}`;
}

/** A workload has no process of its own to kill: its pods are what is ended. */
function kubectlCommands({ workload, namespace, context, replicas }: NonNullable<ControlHooks['kubectl']>): Commands {
  const program = [
    'kubectl',
    ...(context === undefined ? [] : [`--context ${quoted(context)}`]),
    ...(namespace === undefined ? [] : [`-n ${quoted(namespace)}`]),
  ].join(' ');
  const scale = (count: number): string => `${program} scale ${quoted(workload)} --replicas=${count}`;
  const gone = `${program} wait --for=jsonpath='{.status.replicas}'=0 ${quoted(workload)} --timeout=${KUBECTL_GRACE_S}s`;
  return {
    kill: `${scale(0)} && ${program} delete pods -l "$(${program} get ${quoted(workload)} -o go-template='{{range $k, $v := .spec.selector.matchLabels}}{{$k}}={{$v}},{{end}}' | sed 's/,$//')" --force --grace-period=0`,
    stop: `${scale(0)}; ${gone} || true`,
    start: `${scale(replicas)} && ${program} rollout status ${quoted(workload)}`,
  };
}

const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;

const OUTPUT_MAX = 2000;

export interface CommandOptions {
  part: PartName;
  verb: Verb;
  cwd: string;
  timeoutMs: number;
  /** Ends the command with all that it started, and that is still of its group. */
  signal: AbortSignal;
  /** Texts that must not appear in messages. */
  secrets: readonly string[];
  /** Told the process group that it runs in. */
  onStarted: (group: number) => void;
}

/**
 * Runs one command to its end.
 * @throws InconclusiveError with the command, how it ended and the last of what it printed: what the target file says does
 *   not work, which is neither the target's failure nor the harness's
 */
export async function runCommand(
  command: string,
  { part, verb, cwd, timeoutMs, signal, secrets, onStarted }: CommandOptions,
): Promise<void> {
  signal.throwIfAborted();
  const child = spawn('/bin/sh', ['-c', command], {
    cwd,
    // A group of its own, so that a Ctrl-C meant for us does not cut off what puts the target back.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: environmentWith({ SYNCPROOF_PART: part, SYNCPROOF_VERB: verb }),
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      output = (output + chunk).slice(-OUTPUT_MAX);
    });
  }
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const masked = (text: string): string => withoutSecrets(text, secrets);
  const name = `The command to ${verb} ${part} (${masked(command)})`;
  const said = (): string =>
    output.trim() === '' ? '' : `: ${masked(output.trim().split('\n').slice(-3).join(' | '))}`;
  if (child.pid !== undefined) onStarted(child.pid);
  const giveUp = (why: string): void => {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    reject(new InconclusiveError(`${name} ${why}${said()}`));
  };
  const timer = setTimeout(() => giveUp(`did not end within ${timeoutMs} ms`), timeoutMs);
  const abort = (): void => giveUp('was ended, to restore the component');
  signal.addEventListener('abort', abort, { once: true });
  child.once('error', (cause) => reject(new InconclusiveError(`${name} cannot be run`, { cause })));
  // `exit`, not `close`: a command may leave something running that keeps its output open, the part itself for one.
  child.once('exit', (code, endedBy) => {
    if (code === 0) resolve();
    else reject(new InconclusiveError(`${name} ended with ${code ?? endedBy}${said()}`));
  });
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
    child.stdout.destroy();
    child.stderr.destroy();
    child.unref();
  }
}
