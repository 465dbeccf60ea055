import { stripVTControlCharacters } from 'node:util';

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
export function visibleWidth(text: string): number {
  return stripVTControlCharacters(text).length;
}
