import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, expect, onTestFinished, test } from 'vitest';
import { hashSecret, secretMatches } from '../admin/accounts.ts';
import { changesSchema, registrationSchema } from '../admin/file-schemas.ts';
import { createTokenIssuer } from '../admin/keys.ts';
import { eventFields } from '../admin/outbox-store.ts';
import { fileEventSchema } from '../contract/events.ts';
import { parseFields, storageFilename } from '../ingester/upload-form.ts';
import { parseRange } from '../storage/app.ts';
import { openObjectStore } from '../storage/object-store.ts';
import { HttpProblem, isUnavailable } from './problem.ts';

const FILE_ID = '5e6c5b0a-3f0e-4d53-9f0a-0f6f5d3c2b1a';

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'syncproof-test-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

describe('admin', () => {
  const row = {
    seq: '1',
    event_id: 'e',
    file_id: FILE_ID,
    version: 2,
    storage_element_id: 's',
    occurred_at: '2026-01-02T03:04:05.000006Z',
    traceparent: null,
    sequence: 7n,
  };
  const fold = (fields: string[]): Record<string, string> =>
    Object.fromEntries(Array.from({ length: fields.length / 2 }, (_, i) => fields.slice(i * 2, i * 2 + 2)));

  test('events have the fields of the contract', () => {
    const metadata = JSON.stringify({
      file_id: FILE_ID,
      original_filename: 'a',
      storage_filename: 'b',
      file_size: 1,
      checksum_sha256: 'c',
      storage_element_id: 's',
      storage_path: 'p',
      created_at: row.occurred_at,
      updated_at: row.occurred_at,
    });
    const created = fold(eventFields({ ...row, event_type: 'file:created', metadata }));
    expect(fileEventSchema.parse(created)).toMatchObject({
      version: 2,
      sequence: '7',
      metadata: { original_filename: 'a' },
    });
    const deleted = fold(eventFields({ ...row, event_type: 'file:deleted', metadata: null }));
    expect(fileEventSchema.parse(deleted)).toMatchObject({ deleted_at: row.occurred_at });
    expect(deleted).not.toHaveProperty('metadata');
  });

  test('a secret matches its hash only, and equal secrets have different hashes', async () => {
    const hash = await hashSecret('right');
    expect(await secretMatches('right', hash)).toBe(true);
    expect(await secretMatches('wrong', hash)).toBe(false);
    expect(await hashSecret('right')).not.toBe(hash);
  });

  test('a key file is made once, for its owner only', async () => {
    const path = join(await temporaryFolder(), 'key.pem');
    const keys = () => createTokenIssuer({ issuer: 'i', ttlS: 60, privateKeyFile: path }).jwks();
    const made = await Promise.all([keys(), keys()]);
    expect(made[0]).toEqual(made[1]);
    expect(await keys()).toEqual(made[0]);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(join(path, '..'))).toEqual(['key.pem']);
  });

  const registration = {
    file_id: FILE_ID,
    original_filename: 'a',
    storage_filename: 'b',
    file_size: 3_000_000_000,
    checksum_sha256: 'a'.repeat(64),
    storage_element_id: 's',
    storage_path: 'p',
  };
  test('sizes are exact or refused', () => {
    expect(registrationSchema.parse(registration).file_size).toBe(3_000_000_000);
    const tooLarge: unknown = JSON.parse(JSON.stringify(registration).replace('3000000000', '9007199254740993'));
    expect(registrationSchema.safeParse(tooLarge).success).toBe(false);
  });
  test('only temporary files have a time to live', () => {
    const temporary = { ...registration, retention_policy: 'temporary', ttl_days: 3 };
    expect(registrationSchema.safeParse(temporary).success).toBe(true);
    expect(registrationSchema.safeParse({ ...temporary, retention_policy: 'permanent' }).success).toBe(false);
  });
  test('an update that changes nothing is refused', () => {
    expect(changesSchema.safeParse({ file_id: FILE_ID, unknown: 1 }).success).toBe(false);
    expect(changesSchema.safeParse({ description: null }).success).toBe(true);
  });
});

describe('what counts as an unavailable server', () => {
  test.each([
    [Object.assign(new Error('x'), { code: 'ECONNREFUSED' }), true],
    [Object.assign(new Error('x'), { code: '57P01' }), true],
    [Object.assign(new Error('disk full'), { code: '53100' }), true],
    [new Error('Query read timeout'), true],
    [new Error('wrapped', { cause: Object.assign(new Error('x'), { code: '08006' }) }), true],
    [Object.assign(new Error('duplicate key'), { code: '23505' }), false],
    [new TypeError('bug'), false],
  ])('%s: %s', (error, expected) => expect(isUnavailable(error)).toBe(expected));
});

describe('storage', () => {
  const all = async (store: Awaited<ReturnType<typeof openObjectStore>>, name: string): Promise<string | undefined> => {
    const object = await store.open(name);
    if (object === undefined) return undefined;
    return (await buffer(object.read({ start: 0, end: object.size - 1 }))).toString();
  };

  test('an object is there whole, with its size and checksum, until it is removed', async () => {
    const store = await openObjectStore(await temporaryFolder());
    const stored = await store.put('a.txt', Readable.from([Buffer.from('hel'), Buffer.from('lo')]));
    expect(stored).toMatchObject({ size: 5, checksum_sha256: createHash('sha256').update('hello').digest('hex') });
    expect(await all(store, 'a.txt')).toBe('hello');
    await store.remove('a.txt');
    await store.remove('a.txt');
    expect(await all(store, 'a.txt')).toBeUndefined();
  });

  test('bytes that end early leave nothing, and what a crash left is swept', async () => {
    const folder = await temporaryFolder();
    const store = await openObjectStore(folder);
    async function* cut(): AsyncGenerator<Buffer> {
      yield Buffer.from('hel');
      throw new Error('aborted');
    }
    await expect(store.put('a.txt', Readable.from(cut()))).rejects.toThrow('aborted');
    expect(await store.open('a.txt')).toBeUndefined();
    expect(await readdir(join(folder, 'incoming'))).toEqual([]);
    await writeFile(join(folder, 'incoming', 'draft'), 'half');
    await openObjectStore(folder);
    expect(await readdir(join(folder, 'incoming'))).toEqual([]);
  });

  test.each([
    ['bytes=0-4', { start: 0, end: 4 }],
    ['bytes=5-', { start: 5, end: 9 }],
    ['bytes=-3', { start: 7, end: 9 }],
    ['bytes=8-99', { start: 8, end: 9 }],
    ['bytes=10-', 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=5-4', undefined],
    ['bytes=0-1,3-4', undefined],
    ['lines=1-2', undefined],
    [undefined, undefined],
  ])('of 10 bytes, %s is %j', (header, range) => expect(parseRange(header, 10)).toEqual(range));
});

describe('ingester', () => {
  test('tags come as a JSON list or separated by commas', () => {
    expect(parseFields({ tags: '["a, b","ä"]' }).tags).toEqual(['a, b', 'ä']);
    expect(parseFields({ tags: 'a, b,,c ' }).tags).toEqual(['a', 'b', 'c']);
  });
  test('a time to live makes a file temporary, and a temporary file has one', () => {
    expect(parseFields({})).toMatchObject({ retention_policy: 'permanent', ttl_days: undefined });
    expect(parseFields({ ttl_days: '3' })).toMatchObject({ retention_policy: 'temporary', ttl_days: 3 });
    expect(parseFields({ retention_policy: 'temporary' }).ttl_days).toBe(30);
  });
  test.each([
    ['tags', '[1]'],
    ['metadata', '[]'],
    ['metadata', '{'],
    ['metadata', '{"k":"\\u0000"}'],
    ['ttl_days', '0'],
    ['retention_policy', 'forever'],
  ])('%s=%s is refused by name', (name, value) => {
    expect(() => parseFields({ [name]: value })).toThrow(HttpProblem);
    expect(() => parseFields({ [name]: value })).toThrow(new RegExp(`^${name}`));
  });
  test('an object is named by its id, with a harmless extension at most', () => {
    expect(storageFilename('id', 'a.TAR.GZ')).toBe('id.gz');
    expect(storageFilename('id', '../../etc/passwd')).toBe('id');
    expect(storageFilename('id', 'a.p/h')).toBe('id');
    expect(storageFilename('id', 'a.ph p')).toBe('id');
  });
});
