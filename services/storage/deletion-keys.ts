import { createHmac, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';
import { link, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Keys that let their holder remove one object, without a token: whoever stored an object can take it back however long
 * that takes. A key is a MAC of the object's name, so nothing needs to be kept per object.
 */
export interface DeletionKeys {
  keyOf(name: string): string;
  /** Takes the same time for all wrong keys of the right length. */
  matches(name: string, key: string): boolean;
}

const SECRET_FILE = 'deletion.key';
const SECRET_BYTES = 32;

/** Made once per storage folder, for its owner only, complete from its first moment, the same for all who start together. */
async function readOrCreateSecret(path: string): Promise<Buffer> {
  const draft = `${path}.${randomUUID()}`;
  await writeFile(draft, randomBytes(SECRET_BYTES), { mode: 0o600, flag: 'wx', flush: true });
  try {
    // Unlike a rename, a link never replaces the secret that is there.
    await link(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await rm(draft);
  }
  const secret = await readFile(path);
  if (secret.length !== SECRET_BYTES) throw new Error(`Expected ${path} to hold ${SECRET_BYTES} bytes`);
  return secret;
}

/** @param directory the storage folder; it must exist */
export async function openDeletionKeys(directory: string): Promise<DeletionKeys> {
  const secret = await readOrCreateSecret(join(directory, SECRET_FILE));
  const macOf = (name: string): Buffer => createHmac('sha256', secret).update(name).digest();
  return {
    keyOf: (name) => macOf(name).toString('base64url'),
    matches(name, key) {
      const given = Buffer.from(key, 'base64url');
      const right = macOf(name);
      return given.length === right.length && timingSafeEqual(given, right);
    },
  };
}
