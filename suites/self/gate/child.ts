import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { environmentWith, packageFacts } from '../../../harness/config/settings.ts';

/** Enough to explain a failure; everything is in the log. */
const OUTPUT_CHARACTERS_MAX = 200_000;

export interface ChildEnd {
  /** Wall clock, in ms since 1970. */
  startedAt: number;
  exitCode: number;
  /** The end of what it printed, stdout and stderr as they came. */
  output: string;
}

export interface ChildOptions {
  program: string;
  arguments: readonly string[];
  environment?: Readonly<Record<string, string>> | undefined;
  logPath: string;
  /** Shows its output as it comes. */
  loud: boolean;
  signal: AbortSignal;
}

/** Runs one of the project's own tools to its end. An aborted signal is passed on as SIGINT, once, and awaited. */
export async function runChild(options: ChildOptions): Promise<ChildEnd> {
  const { root } = packageFacts();
  const startedAt = Date.now();
  const program = options.program === 'node' ? process.execPath : join(root, 'node_modules/.bin', options.program);
  const child = spawn(program, [...options.arguments], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: environmentWith(options.environment ?? {}),
  });
  const log = createWriteStream(options.logPath);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      log.write(chunk);
      if (options.loud) process.stdout.write(chunk);
      output = (output + chunk).slice(-OUTPUT_CHARACTERS_MAX);
    });
  }
  const exitCode = await ended(child, options.signal);
  log.end();
  return { startedAt, exitCode, output };
}

async function ended(child: ChildProcess, signal: AbortSignal): Promise<number> {
  const interrupt = (): void => void child.kill('SIGINT');
  signal.addEventListener('abort', interrupt, { once: true });
  try {
    const [code] = await once(child, 'close');
    return code ?? 1;
  } finally {
    signal.removeEventListener('abort', interrupt);
  }
}
