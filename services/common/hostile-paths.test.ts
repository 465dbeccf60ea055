import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { pollUntil } from '../../harness/core/time.ts';
import { registerPlain } from '../../suites/steps/registrations.ts';
import { problemSchema, uploadAnswerSchema } from '../contract/http.ts';
import type { ServiceName } from '../contract/names.ts';
import { type AttackedPipeline, type Leavings, startAttacked } from './fixtures/hostile/pipeline.ts';
import { headOf, RawConnection } from './fixtures/hostile/raw.ts';

const SIZE = 1000;
const CONTENT = Buffer.from(Array.from({ length: SIZE }, (_, i) => (i * 31) % 256));

let attacked: AttackedPipeline;
/** Paths that serve the same bytes, of a file of that size. */
let sources: Record<'full' | 'empty', readonly (readonly [ServiceName, string])[]>;
let before: Leavings;

beforeAll(async () => {
  attacked = await startAttacked();
  sources = { full: await sourcesOf(CONTENT), empty: await sourcesOf(Buffer.alloc(0)) };
  before = await attacked.leavings();
}, 60_000);
afterAll(() => attacked?.[Symbol.asyncDispose]());
afterEach(async () => {
  expect(await attacked.leavings()).toEqual(before);
  expect(await attacked.neighbours()).toEqual({ 'canary.txt': 'canary.txt' });
  await attacked.demandAlive();
});

function searchable(fileId: string): Promise<true> {
  const found = async () => ((await attacked.client.searchById(fileId)).status === 200 ? true : undefined);
  return pollUntil(found, { what: `${fileId} searchable`, timeoutMs: 10_000 });
}

async function sourcesOf(content: Buffer): Promise<readonly (readonly [ServiceName, string])[]> {
  const { body } = await attacked.client.upload({ filename: 'a.bin', content });
  const { file_id, storage_filename } = uploadAnswerSchema.parse(body);
  await searchable(file_id);
  return [
    ['storage', `/api/v1/objects/${storage_filename}`],
    ['query', `/api/download/${file_id}`],
  ];
}

/** Sends a request as it is written: no client normalizes its path. */
async function send(service: ServiceName, start: string, headers: Record<string, string | number> = {}, body = '') {
  using connection = await RawConnection.open(attacked.env.urls[service]);
  const length: Record<string, string | number> =
    body === '' ? {} : { 'content-length': body.length, 'content-type': 'application/octet-stream' };
  await connection.write(headOf(start, { authorization: attacked.bearer, ...length, ...headers }) + body);
  return await connection.answer();
}

/**
 * What RFC 9110, section 14, wants to be answered: a slice, everything (a Range that means nothing is ignored), or 416.
 */
type Wanted = readonly [first: number, last: number] | 'everything' | 'impossible';

const HUGE = '9'.repeat(40);
const RANGES: readonly (readonly [range: string, full: Wanted, empty: Wanted])[] = [
  ['bytes=0-', [0, 999], 'impossible'],
  ['bytes=0-0', [0, 0], 'impossible'],
  ['bytes=-5', [995, 999], 'impossible'],
  [`bytes=-${HUGE}`, [0, 999], 'impossible'],
  [`bytes=0-${HUGE}`, [0, 999], 'impossible'],
  [`bytes=5-${HUGE}`, [5, 999], 'impossible'],
  ['bytes=00005-0000009', [5, 9], 'impossible'],
  ['BYTES=5-9', [5, 9], 'impossible'],
  ['bytes=-0', 'impossible', 'impossible'],
  ['bytes=1000-', 'impossible', 'impossible'],
  ['bytes=9007199254740993-', 'impossible', 'impossible'],
  [`bytes=${HUGE}-`, 'impossible', 'impossible'],
  [`bytes=${HUGE}-${HUGE}`, 'impossible', 'impossible'],
  ['bytes=5-2', 'everything', 'everything'],
  [`bytes=${HUGE}-5`, 'everything', 'everything'],
  ['bytes=-', 'everything', 'everything'],
  ['bytes=', 'everything', 'everything'],
  ['bytes', 'everything', 'everything'],
  ['bytes=a-b', 'everything', 'everything'],
  ['bytes=--5', 'everything', 'everything'],
  ['bytes=-5-', 'everything', 'everything'],
  ['bytes=0x0-0x5', 'everything', 'everything'],
  ['bytes=1e2-', 'everything', 'everything'],
  ['bytes=0.5-2', 'everything', 'everything'],
  ['bytes=\u00b2-', 'everything', 'everything'],
  ['lines=0-5', 'everything', 'everything'],
  ['bytes=0-1,3-4', 'everything', 'everything'],
  ['bytes=0-10,5-15,0-', 'everything', 'everything'],
  [`bytes=${Array.from({ length: 1000 }, (_, i) => `${i}-${i}`).join(',')}`, 'everything', 'everything'],
  [`bytes=${'0-,'.repeat(1000)}`, 'everything', 'everything'],
  ['x'.repeat(10_000), 'everything', 'everything'],
];

describe.each(['full', 'empty'] as const)('of a file that is %s', (which) => {
  const content = which === 'full' ? CONTENT : Buffer.alloc(0);
  const rows = RANGES.map(([range, full, empty]) => ({ range, wanted: which === 'full' ? full : empty }));

  test.each(rows)('$range: $wanted', async ({ range, wanted }) => {
    for (const [service, path] of sources[which]) {
      const { status, headers, bytes } = await send(service, `GET ${path}`, { range });
      const seen = { service, status, range: headers['content-range'], size: bytes.length };
      if (wanted === 'impossible') {
        expect(seen).toMatchObject({ service, status: 416, range: `bytes */${content.length}` });
        expect(problemSchema.parse(JSON.parse(bytes.toString())).status).toBe(416);
        continue;
      }
      const [first, last] = wanted === 'everything' ? [0, content.length - 1] : wanted;
      const told = wanted === 'everything' ? undefined : `bytes ${first}-${last}/${content.length}`;
      expect(seen).toEqual({ service, status: told === undefined ? 200 : 206, range: told, size: last - first + 1 });
      expect(bytes.equals(content.subarray(first, last + 1))).toBe(true);
    }
  });
});

/** Names that lead, or might lead, to somewhere else, as they stand in a path. */
const NAMES: readonly string[] = [
  ...[
    '..',
    '.',
    '...',
    '%2e%2e',
    '%2E',
    '..%2f',
    '..%2fcanary.txt',
    '..%2f..%2fcanary.txt',
    '..%2f..%2f..%2fcanary.txt',
  ],
  ...['../canary.txt', '../../canary.txt', '../../../canary.txt', '....//....//canary.txt', 'a/../../canary.txt'],
  ...['..%2fdeletion.key', '..%2f..%2fdeletion.key', '../deletion.key', '%2e%2e%2f%2e%2e%2fdeletion.key'],
  ...[
    '..%5ccanary.txt',
    '..\\canary.txt',
    '..%255c..%255ccanary.txt',
    '%252e%252e%252fcanary.txt',
    '%25%32%65%25%32%65',
  ],
  ...['%2fetc%2fpasswd', '//etc/passwd', '/etc/passwd', 'file:%2f%2f%2fetc%2fpasswd', 'C:%5cx', '~', '~root'],
  ...['%00', 'a%00', 'canary.txt%00.bin', '%c0%ae%c0%ae%c0%afcanary.txt', '%ff', '%', '%2', '%zz', '%u002e%u002e'],
  ...['%ed%a0%80', '%e2%80%ae', '\u00e4', 'a%20b', 'a%0d%0ax-a:%20b', 'a;b', 'a*', 'a:b', '$(id)', "'", '%22', '|'],
  ...[
    'a'.repeat(256),
    'a'.repeat(301),
    'a'.repeat(10_000),
    '%2e'.repeat(3000),
    '../'.repeat(2000),
    '..%2f'.repeat(1000),
  ],
];
const METHODS: readonly (readonly [start: (name: string) => string, body: string])[] = [
  [(name) => `GET /api/v1/objects/${name}`, ''],
  [(name) => `PUT /api/v1/objects/${name}`, 'overwritten'],
  [(name) => `DELETE /api/v1/objects/${name}`, ''],
  [(name) => `POST /api/v1/objects/${name}/deletion-key`, ''],
];

describe('storage takes for no name', () => {
  test.each(NAMES.map((name) => [name.slice(0, 40), name]))('%s', async (_shown, name) => {
    for (const [start, body] of METHODS) {
      const answer = await send('storage', start(name), {}, body);
      const text = answer.bytes.toString();
      expect([400, 404, 414, 431], `${start('')} ${text}`).toContain(answer.status);
      expect(problemSchema.parse(JSON.parse(text)).status).toBe(answer.status);
    }
  });

  test('what is there, below a folder that is another: the key of the store, drafts, folders', async () => {
    const [object = ''] = before.files;
    const folder = object.split('/')[1] ?? '';
    for (const name of ['deletion.key', 'incoming', 'objects', folder, `${folder}%2f${object.split('/')[2]}`]) {
      const { status } = await send('storage', `GET /api/v1/objects/${name}`);
      expect([400, 404], name).toContain(status);
    }
  });
});

describe('query', () => {
  test.each(['..', '..%2f..%2fcanary.txt', 'a', '%00', '1', 'a'.repeat(20_000), `${randomUUID()}%2f..`, '%ff'])(
    'has no download of %s',
    async (id) => {
      const { status, bytes } = await send('query', `GET /api/download/${id}`);
      expect([400, 404, 414, 431]).toContain(status);
      expect(problemSchema.parse(JSON.parse(bytes.toString())).status).toBe(status);
    },
  );

  test.each([
    ...['../../../canary.txt', '..', '.', '%2e%2e', '/etc/passwd', '..\\canary.txt', 'a?b', 'a#b', '\u00e4', ' '],
    ...['deletion.key', '../deletion.key', 'a'.repeat(300), '/'.repeat(1500)],
  ])('has no bytes of a file that is registered as %s', async (storage_filename) => {
    const { file_id } = await registerPlain(attacked.client, 'registered.txt', { storage_filename });
    await searchable(file_id);
    const { status, body } = await send('query', `GET /api/download/${file_id}`);
    expect(status, body).toBe(404);
    expect(problemSchema.parse(JSON.parse(body)).status).toBe(404);
    await attacked.client.remove(file_id);
  });
});
