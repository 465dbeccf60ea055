import { isContinuousIntegration } from '../config/settings.ts';
import { DeadlineError, UnreachableError, UsageError } from '../core/errors.ts';
import { type Paint, paintFor, truncate } from '../core/text.ts';

export const EXIT = {
  conformant: 0,
  violation: 1,
  inconclusive: 2,
  unreachable: 3,
  usage: 4,
  harnessError: 5,
} as const;

export const EXIT_CODES_HELP = `
Exit codes:
  0  conformant       every case passed, or failed as the target file expects
  1  violation        a requirement does not hold; outranks all the others
  2  inconclusive     the evidence does not suffice for a verdict, the run was interrupted, or cases were skipped
                      because the target does not support something (partial; --allow-partial makes that 0)
  3  unreachable      the pipeline, or a server it needs, could not be started or reached
  4  usage            a wrong option or setting, or nothing selected
  5  harness error    syncproof itself failed
Reports are written in every case once a run has begun.`;

/** The exit code for an error that ended a command. */
export function exitCodeForError(error: unknown): number {
  if (error instanceof UsageError) return EXIT.usage;
  if (error instanceof UnreachableError || error instanceof DeadlineError) return EXIT.unreachable;
  return EXIT.harnessError;
}

/** The JSON that a command was asked for, whole and alone on stdout. */
export function writeJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** Reports on stderr the current name of a command that was called by a former one. */
export function noteFormerName(former: string, now: string): void {
  process.stderr.write(`\`syncproof ${former}\` is now \`syncproof ${now}\`\n`);
}

const REDRAW_MS = 100;
const CLEAR_DOWN = '\u001b[J';
const up = (lines: number): string => (lines === 0 ? '' : `\u001b[${lines}F`);

/** Where a command writes for people: lines that stay and, on a terminal, a few below them that change. */
export interface Screen extends Disposable {
  readonly paint: Paint;
  /** Writes a line that stays. */
  line(text?: string): void;
  /** Shows what `lines` gives now and again, below all that stays, until `clear`; does nothing without a terminal. */
  live(lines: () => readonly string[]): void;
  clear(): void;
}

/** For work that its caller reports. */
export function silentScreen(): Screen {
  return { paint: (_style, text) => text, line() {}, live() {}, clear() {}, [Symbol.dispose]() {} };
}

export function openScreen(stream: NodeJS.WriteStream): Screen {
  const interactive = stream.isTTY === true && !isContinuousIntegration();
  let lines: (() => readonly string[]) | undefined;
  let drawn = 0;
  let timer: NodeJS.Timeout | undefined;

  const erase = (): string => {
    const text = drawn === 0 ? '' : up(drawn) + CLEAR_DOWN;
    drawn = 0;
    return text;
  };
  const region = (): string => {
    const room = Math.max(1, (stream.rows ?? 24) - 2);
    const now = (lines?.() ?? []).slice(-room).map((line) => truncate(line, (stream.columns ?? 80) - 1));
    drawn = now.length;
    return now.map((line) => `${line}\n`).join('');
  };
  const clear = (): void => {
    clearInterval(timer);
    timer = undefined;
    lines = undefined;
    stream.write(erase());
  };
  return {
    paint: paintFor(stream),
    line(text = '') {
      stream.write(`${erase()}${text}\n${region()}`);
    },
    live(next) {
      if (!interactive) return;
      lines = next;
      timer ??= setInterval(() => stream.write(erase() + region()), REDRAW_MS).unref();
    },
    clear,
    [Symbol.dispose]: clear,
  };
}
