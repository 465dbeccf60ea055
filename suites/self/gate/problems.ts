import { stripVTControlCharacters } from 'node:util';

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
