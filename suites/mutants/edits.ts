import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { transformSync } from 'amaro';
import type { Edit, Loader, Mutant } from './mutant.ts';

const ROOT = resolve(import.meta.dirname, '../..');

/** @throws unless `find` occurs exactly once: a variant that changes nothing, or more than it says, proves nothing */
export function applyEdit(source: string, { file, find, replace }: Edit): string {
  const pieces = source.split(find);
  if (pieces.length !== 2) {
    throw new Error(`Expected ${file} to contain this text exactly once, found it ${pieces.length - 1} times: ${find}`);
  }
  return pieces.join(replace);
}

/** Removes what would repair lost events. */
const NO_RECONCILIATION: Edit = {
  file: 'services/query/reconciler.ts',
  find: 'if (registry === undefined ||',
  replace: 'if (true || registry === undefined ||',
};

/** Who loads a mutant. */
export function loadersOf({ services, unrepaired }: Mutant): readonly Loader[] {
  return unrepaired ? [...new Set<Loader>([...services, 'query'])] : services;
}

/**
 * What a mutant makes of the files that it changes, by absolute path: JavaScript, since Node strips no types below
 * node_modules, where an installed package lies. Line numbers stay.
 */
export function mutatedCode(mutant: Mutant): Record<string, string> {
  const sources = [...mutatedSources(mutant)];
  return Object.fromEntries(sources.map(([path, text]) => [path, transformSync(text, { mode: 'strip-only' }).code]));
}

/** The sources of all files that a mutant changes, as it changes them, by absolute path. */
export function mutatedSources({ edits, unrepaired }: Mutant): Map<string, string> {
  const sources = new Map<string, string>();
  for (const edit of unrepaired ? [...edits, NO_RECONCILIATION] : edits) {
    const path = join(ROOT, edit.file);
    sources.set(path, applyEdit(sources.get(path) ?? readFileSync(path, 'utf8'), edit));
  }
  return sources;
}
