import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { join } from 'node:path';
import { readOrCreate } from '../common/secret-file.ts';

/**
 * Keys that let their holder remove one object, without a token: the client that stored an object can remove it,
 * however late. A key is a MAC of the object's name, so nothing needs to be kept per object.
 */
export interface DeletionKeys {
  keyOf(name: string): string;
  /** Takes the same time for all wrong keys of the right length. */
  matches(name: string, key: string): boolean;
}

const SECRET_FILE = 'deletion.key';
const SECRET_BYTES = 32;

/** @param directory the storage folder; it must exist */
export async function openDeletionKeys(directory: string): Promise<DeletionKeys> {
  const path = join(directory, SECRET_FILE);
  const secret = await readOrCreate(path, () => randomBytes(SECRET_BYTES));
  if (secret.length !== SECRET_BYTES) throw new Error(`Expected ${path} to hold ${SECRET_BYTES} bytes`);
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
