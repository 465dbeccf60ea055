import { createHash, randomUUID } from 'node:crypto';
import { type FileHandle, link, mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';

/**
 * Objects on disk. An object is there whole or not at all, and never changes: it is written to `incoming/`, flushed,
 * linked to its place, and the folder is flushed, before the write is reported as stored.
 */
export interface ObjectStore {
  /**
   * @throws ObjectExistsError when there is such an object already; it stays as it is
   * @throws when the bytes end early or the disk refuses; nothing of the object remains then
   */
  put(name: string, bytes: Readable): Promise<StoredObject>;
  exists(name: string): Promise<boolean>;
  /** @returns undefined when there is no such object */
  open(name: string): Promise<OpenObject | undefined>;
  /** Does nothing when there is no such object. */
  remove(name: string): Promise<void>;
  /** @throws when the folder cannot be written to */
  check(): Promise<void>;
}

/** An object that is being read: it stays complete even when it is removed meanwhile. Reading to the end closes it. */
export interface OpenObject {
  /** In bytes. */
  size: number;
  /** The bytes from `start` to `end`, both included. */
  read(range: { start: number; end: number }): Readable;
  close(): Promise<void>;
}

export interface StoredObject {
  /** Path below the storage folder. */
  storage_path: string;
  /** In bytes. */
  size: number;
  checksum_sha256: string;
}

export class ObjectExistsError extends Error {
  override readonly name = 'ObjectExistsError';
}

function hasCode(error: unknown, code: string): boolean {
  return (error as NodeJS.ErrnoException).code === code;
}

const INCOMING = 'incoming';
const OBJECTS = 'objects';

/** Two levels below `objects/` keep folders small. The name decides the path alone, whatever characters it has. */
function pathOf(name: string): string {
  return join(OBJECTS, createHash('sha256').update(name).digest('hex').slice(0, 2), name);
}

/** Flushes a folder, so that a new name in it survives a crash. */
async function flushFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function writeAll(file: FileHandle, bytes: Readable): Promise<{ size: number; checksum: string }> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of bytes) {
    const buffer = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk);
    hash.update(buffer);
    size += buffer.length;
    await file.writeFile(buffer);
  }
  await file.sync();
  return { size, checksum: hash.digest('hex') };
}

/** Opens a store; unfinished writes of an earlier process are removed. */
export async function openObjectStore(directory: string): Promise<ObjectStore> {
  const incoming = join(directory, INCOMING);
  await mkdir(incoming, { recursive: true });
  await mkdir(join(directory, OBJECTS), { recursive: true });
  await Promise.all((await readdir(incoming)).map((name) => rm(join(incoming, name))));

  /** Folders that are known to exist and to be flushed. */
  const folders = new Set<string>();
  async function ensureFolder(path: string): Promise<void> {
    if (folders.has(path)) return;
    await mkdir(path, { recursive: true });
    await flushFolder(join(directory, OBJECTS));
    folders.add(path);
  }

  return {
    async put(name, bytes) {
      const draft = join(incoming, randomUUID());
      const relative = pathOf(name);
      const target = join(directory, relative);
      const folder = join(target, '..');
      let written: { size: number; checksum: string };
      try {
        const file = await open(draft, 'wx', 0o640);
        try {
          written = await writeAll(file, bytes);
        } finally {
          await file.close();
        }
        await ensureFolder(folder);
        // Unlike a rename, a link never replaces what is there.
        await link(draft, target);
      } catch (error) {
        throw hasCode(error, 'EEXIST') ? new ObjectExistsError(`There is an object ${name} already`) : error;
      } finally {
        await rm(draft, { force: true });
      }
      await flushFolder(folder);
      return { storage_path: relative, size: written.size, checksum_sha256: written.checksum };
    },
    async exists(name) {
      try {
        await stat(join(directory, pathOf(name)));
        return true;
      } catch (error) {
        if (hasCode(error, 'ENOENT')) return false;
        throw error;
      }
    },
    async open(name) {
      let file: FileHandle;
      try {
        file = await open(join(directory, pathOf(name)), 'r');
      } catch (error) {
        if (hasCode(error, 'ENOENT')) return undefined;
        throw error;
      }
      const { size } = await file.stat();
      return { size, read: (range) => file.createReadStream(range), close: () => file.close() };
    },
    async remove(name) {
      const target = join(directory, pathOf(name));
      try {
        await rm(target);
      } catch (error) {
        if (hasCode(error, 'ENOENT')) return;
        throw error;
      }
      await flushFolder(join(target, '..'));
    },
    async check() {
      const probe = join(incoming, `probe-${randomUUID()}`);
      await (await open(probe, 'wx')).close();
      await rm(probe);
    },
  };
}
