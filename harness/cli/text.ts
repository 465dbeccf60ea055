import { relative, resolve } from 'node:path';
import { stripVTControlCharacters, styleText } from 'node:util';
import { visibleWidth } from '../core/table.ts';
import type { Verdict } from '../record/history.ts';

type Style = 'red' | 'green' | 'yellow' | 'magenta' | 'cyan' | 'dim' | 'bold';

/** Colours a text, or leaves it alone where the output has no colours. */
export type Paint = (style: Style, text: string) => string;

/** Colours as far as `stream` and NO_COLOR / FORCE_COLOR allow. */
export function paintFor(stream: NodeJS.WriteStream): Paint {
  return (style, text) => styleText(style, text, { stream });
}

const VERDICT_STYLES: Record<Verdict, Style> = {
  pass: 'green',
  xfail: 'green',
  fail: 'red',
  xpass: 'red',
  error: 'red',
  inconclusive: 'yellow',
  flaky: 'yellow',
  skip: 'yellow',
};

export function paintVerdict(verdict: Verdict, paint: Paint): string {
  return paint(VERDICT_STYLES[verdict], verdict);
}

/** `840 ms`, `8.2 s`, `2 min 05 s`. */
export function milliseconds(ms: number): string {
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${ms.toFixed(0)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`;
}

/** A line cut to `width` visible characters; a cut line loses its colours. */
export function truncate(line: string, width: number): string {
  if (visibleWidth(line) <= width) return line;
  return `${stripVTControlCharacters(line).slice(0, Math.max(0, width - 1))}…`;
}

/** A word quoted for a POSIX shell where it needs to be. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** A path as short as it can be pasted: relative to the working directory when it lies inside. */
export function shownPath(path: string): string {
  const short = relative(process.cwd(), path);
  return short.startsWith('..') ? resolve(path) : short;
}
