import { relative, resolve } from 'node:path';
import { stripVTControlCharacters, styleText } from 'node:util';

export type Style = 'red' | 'green' | 'yellow' | 'magenta' | 'cyan' | 'dim' | 'bold';

/** Colours a text, or leaves it alone where the output has no colours. */
export type Paint = (style: Style, text: string) => string;

/** Colours as far as `stream` and NO_COLOR / FORCE_COLOR allow. */
export function paintFor(stream: NodeJS.WriteStream): Paint {
  return (style, text) => styleText(style, text, { stream });
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

/** A text without the secrets that stand in it. Of two of which one is a part of the other, the longer one comes first. */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  // The longest first: one that lies in another would leave the rest of that to be read.
  const masked = secrets.filter((secret) => secret !== '').sort((a, b) => b.length - a.length);
  return masked.reduce((rest, secret) => rest.replaceAll(secret, '***'), text);
}

/** A path as short as it can be pasted: relative to the working directory when it lies inside. */
export function shownPath(path: string): string {
  const short = relative(process.cwd(), path);
  return short.startsWith('..') ? resolve(path) : short;
}

/** Rows as columns of equal width; colours do not count as width. */
export function table(rows: readonly (readonly string[])[], gap = '  '): string[] {
  const widths: number[] = [];
  for (const row of rows)
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, visibleWidth(cell));
  return rows.map((row) =>
    row
      .map((cell, i) => (i === row.length - 1 ? cell : cell + ' '.repeat((widths[i] ?? 0) - visibleWidth(cell))))
      .join(gap)
      .trimEnd(),
  );
}

/** Characters a terminal shows; colours have no width. */
function visibleWidth(text: string): number {
  return stripVTControlCharacters(text).length;
}
