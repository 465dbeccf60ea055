import { isContinuousIntegration } from '../config/settings.ts';
import { type Paint, paintFor, truncate } from '../core/text.ts';

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

/** For work that somebody else tells of. */
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
