import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { environmentWith, packageFacts } from '../../harness/config/settings.ts';

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
  const program = programPath(root, options.program);
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

function programPath(root: string, name: string): string {
  if (name === 'node') return process.execPath;
  return name.includes('/') ? join(root, name) : join(root, 'node_modules/.bin', name);
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

const LAST_LINES = 5;

/**
 * What did not pass, a line each, from what a failed check printed: the last block below `Not passed:`, as the
 * project's own commands end with; else the failures of a test runner; else the end of it.
 */
export function problemsIn(output: string): string[] {
  const lines = stripVTControlCharacters(output)
    .split('\n')
    .map((line) => line.trimEnd());
  const head = lines.lastIndexOf('Not passed:');
  if (head >= 0) {
    const end = lines.indexOf('', head);
    return lines.slice(head + 1, end < 0 ? undefined : end).map((line) => line.trim());
  }
  const failures = lines.filter((line) => /^\s*(FAIL|×)\s/.test(line)).map((line) => line.trim());
  return failures.length > 0 ? [...new Set(failures)] : lines.filter((line) => line !== '').slice(-LAST_LINES);
}
