import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RUN_CONTEXT_VARIABLE, stopMark } from '../../harness/config/run-plan.ts';
import { environmentWith, nodeArguments, packageFacts } from '../../harness/config/settings.ts';
import { pollUntil } from '../../harness/core/time.ts';
import { cachePath } from '../../harness/environment/process/cache.ts';
import { startGuard } from '../../harness/environment/process/guard.ts';
import { findProcess, processTree, signalProcess } from '../../harness/environment/process/table.ts';

const STOP_GRACE_MS = 15_000;
/** Commands of a target file may take their time; a second signal does not wait. */
const PUT_BACK_MS = 60_000;
const LAST_WORDS_MS = 1000;
const TAIL_LINES = 15;

export interface SuiteEnd {
  exitCode: number | null;
  signal: NodeJS.Signals | null;
  /** The last lines it wrote to stderr. */
  stderrTail: readonly string[];
  /** It was stopped before it had put back all that it broke. */
  cutOff?: true;
}

/** The test runner, in a process group of its own so that a Ctrl-C reaches it only through us. */
interface SuiteProcess extends AsyncDisposable {
  readonly pid: number | undefined;
  /** Resolves when it has exited; never rejects. */
  readonly ended: Promise<SuiteEnd>;
  /** Asks it to stop; kills what is left of its group after a bounded grace. */
  stop(): Promise<SuiteEnd>;
  /** Kills the whole group at once. */
  kill(): void;
}

/** Node's arguments that run the suite. The runner is found the way Node finds it, so hoisted installations work too. */
export function suiteArguments(): string[] {
  const runner = join(dirname(fileURLToPath(import.meta.resolve('vitest/package.json'))), 'vitest.mjs');
  return [...nodeArguments(), runner, 'run', '--config', join(packageFacts().root, 'suites/runner/vitest.config.ts')];
}

interface SuiteOptions {
  /** Node's arguments, see `suiteArguments`. */
  arguments: readonly string[];
  contextPath: string;
  /** Takes what it prints, since progress is read from the history instead. */
  logPath: string;
}

export function startSuite(options: SuiteOptions): SuiteProcess {
  const child = spawn(process.execPath, options.arguments, {
    cwd: packageFacts().root,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: environmentWith({
      [RUN_CONTEXT_VARIABLE]: options.contextPath,
      NO_COLOR: '1',
      // Each file of cases is a process that loads the same modules again.
      NODE_COMPILE_CACHE: cachePath('compiled'),
    }),
  });
  const stderrTail = collectTail(child);
  const log = createWriteStream(options.logPath);
  child.stdout.pipe(log, { end: false });
  child.stderr.pipe(log, { end: false });

  // Should we be killed, it kills the suite's process group.
  const guard = startGuard('syncproof-guard');
  guard.runs(child.pid);
  const ended = once(child, 'close').then(
    ([exitCode, signal]): SuiteEnd => ({ exitCode, signal, stderrTail: stderrTail() }),
    (error: Error): SuiteEnd => ({ exitCode: null, signal: null, stderrTail: [error.message] }),
  );
  let over = false;
  void ended.finally(() => {
    over = true;
    log.end();
    void guard.dismiss();
  });

  const group = child.pid === undefined ? undefined : -child.pid;
  const kill = (): void => void (group !== undefined && signalProcess(group, 'SIGKILL'));
  const stop = async (): Promise<SuiteEnd> => {
    if (over || child.pid === undefined || group === undefined) return ended;
    const runner = child.pid;
    const gone = async (pids: readonly number[], timeoutMs = STOP_GRACE_MS): Promise<void> => {
      const probe = (): true | undefined => (pids.every((pid) => findProcess(pid) === undefined) ? true : undefined);
      await pollUntil(probe, { what: 'the suite to stop', timeoutMs });
    };
    // The workers first: they put back what they broke and stop what they started, and a runner that is asked to end
    // kills them at once. Those that it begins meanwhile find the mark, and do nothing.
    await writeFile(stopMark(options.contextPath), '');
    const members = processTree(runner);
    const workers = members.filter((pid) => findProcess(pid)?.parent === runner);
    for (const pid of workers) signalProcess(pid, 'SIGINT');
    const theirs = members.filter((pid) => pid !== runner && !workers.includes(pid));
    const inTime = await gone(theirs, PUT_BACK_MS).then(
      () => true,
      () => false,
    );
    // With all of that gone they have little more to do than to say so.
    await gone(workers, LAST_WORDS_MS).catch(() => {});
    signalProcess(group, 'SIGINT');
    await gone(members).catch(kill);
    const end = await ended;
    await rm(stopMark(options.contextPath), { force: true });
    return inTime ? end : { ...end, cutOff: true };
  };
  // A worker that outlives the runner would keep its output open, and us waiting.
  child.once('exit', () => void setTimeout(kill, STOP_GRACE_MS).unref());
  return {
    pid: child.pid,
    ended,
    stop,
    kill,
    async [Symbol.asyncDispose]() {
      await stop();
    },
  };
}

function collectTail(child: ChildProcess): () => readonly string[] {
  let text = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    text = (text + chunk).slice(-16_384);
  });
  return () =>
    text
      .split('\n')
      .filter((line) => line.trim() !== '')
      .slice(-TAIL_LINES);
}
