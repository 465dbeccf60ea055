import { readdir, readFile } from 'node:fs/promises';
import { extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { describeError, UsageError } from '../../harness/index.ts';
import { type Mutant, mutantSchema } from './mutant.ts';

const MODULES = ['.ts', '.js', '.mjs'];

/**
 * Broken variants of one's own: from every JSON file, and the default export of every module, of a folder. Each is one
 * variant or a list of them.
 * @param caseKeys the cases there are to catch them
 * @throws UsageError for a folder without any, and for one that is none, naming file and key
 */
export async function mutantsFrom(folder: string, caseKeys: readonly string[]): Promise<Mutant[]> {
  const names = await readdir(folder).catch((cause: unknown) => {
    throw new UsageError(`Expected --from to be a folder that can be read, got ${folder}`, { cause });
  });
  const files = names.filter((name) => [...MODULES, '.json'].includes(extname(name))).sort();
  const found = (await Promise.all(files.map((name) => readMutants(resolve(folder, name), caseKeys)))).flat();
  if (found.length === 0) {
    throw new UsageError(`Expected --from to hold .json, .ts, .js or .mjs files with broken variants, got ${folder}`);
  }
  const twice = found.find(({ id }, index) => found.findIndex((each) => each.id === id) !== index);
  if (twice !== undefined) throw new UsageError(`${folder} has two broken variants of the id ${twice.id}`);
  return found;
}

async function readMutants(path: string, caseKeys: readonly string[]): Promise<Mutant[]> {
  let content: unknown;
  try {
    content =
      extname(path) === '.json'
        ? JSON.parse(await readFile(path, 'utf8'))
        : ((await import(pathToFileURL(path).href)) as { default?: unknown }).default;
  } catch (cause) {
    throw new UsageError(`${path} cannot be loaded: ${describeError(cause)}`, { cause });
  }
  const parsed = z.array(mutantSchema).safeParse(Array.isArray(content) ? content : [content]);
  if (!parsed.success) throw new UsageError(`${path} holds no broken variants: ${z.prettifyError(parsed.error)}`);
  for (const { id, caughtBy } of parsed.data) {
    const unknown = caughtBy.find((key) => !caseKeys.includes(key));
    if (unknown !== undefined) throw new UsageError(`${path}: ${id} is to be caught by ${unknown}, which is no case`);
  }
  return parsed.data;
}
