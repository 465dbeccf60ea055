import { randomUUID } from 'node:crypto';
import { link, readFile, rm, writeFile } from 'node:fs/promises';

/**
 * The content of a file, which is created when it does not exist: readable by its owner only, created atomically, and
 * the same for all processes that start together.
 */
export async function readOrCreate(path: string, create: () => string | Buffer | Promise<string>): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const draft = `${path}.${randomUUID()}`;
  await writeFile(draft, await create(), { mode: 0o600, flag: 'wx', flush: true });
  try {
    // Unlike a rename, a link never replaces what another instance made meanwhile.
    await link(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await rm(draft);
  }
  return readFile(path);
}
