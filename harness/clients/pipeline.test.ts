import { createHash, generateKeyPairSync } from 'node:crypto';
import { SignJWT } from 'jose';
import { afterEach, describe, expect, test } from 'vitest';
import { createAuthenticator } from '../../services/common/auth.ts';
import { loadSettings } from '../../services/common/config.ts';
import { createLog, createMetrics } from '../../services/common/log.ts';
import { registryFileSchema } from '../../services/contract/http.ts';
import { buildIngester, ingesterSettings } from '../../services/ingester/app.ts';
import {
  entryOf,
  hitOf,
  type LocalAnswer,
  type LocalTarget,
  startLocalTarget,
} from '../../suites/honesty/local-target.ts';
import type { Completed } from '../record/history.ts';
import { memoryRecorder } from '../record/writer.ts';
import { type Answer, createPipelineClient, type OperationOptions, type PipelineClient } from './pipeline.ts';

let cleanup = new AsyncDisposableStack();
afterEach(async () => {
  await cleanup.disposeAsync();
  cleanup = new AsyncDisposableStack();
});

const ID = '6f2b0f2e-3c1a-4d53-9a55-0d4f6ce0a001';
const FILE = { filename: 'a.txt', content: Buffer.from('a') };

async function target(answer: LocalAnswer): Promise<LocalTarget> {
  return cleanup.use(await startLocalTarget(() => answer));
}

function clientOf(url: string, adminUrl = url): Pick<LocalTarget, 'pipeline' | 'recorder'> {
  const recorder = memoryRecorder();
  const account = { clientId: 'client', clientSecret: 'secret' };
  const pipeline = createPipelineClient({
    urls: { admin: adminUrl, ingester: url, storage: url, query: url },
    accounts: { ADMIN: account, USER: account, READONLY: account },
    recorder,
  });
  return { pipeline: cleanup.use(pipeline), recorder };
}

type Call = (pipeline: PipelineClient, options?: OperationOptions) => Promise<Answer>;

const WRITES: Record<string, Call> = {
  upload: (pipeline, options) => pipeline.upload(FILE, options),
  register: (pipeline, options) => pipeline.register({ file_id: ID }, options),
  update: (pipeline, options) => pipeline.update(ID, { description: 'd' }, options),
  delete: (pipeline, options) => pipeline.remove(ID, options),
};
const READS: Record<string, Call> = {
  'registry-read': (pipeline, options) => pipeline.registryFile(ID, options),
  read: (pipeline, options) => pipeline.searchById(ID, options),
  search: (pipeline, options) => pipeline.search({ query: 'a' }, options),
};

const STATUSES = [
  [200, 'ok', 'ok'],
  [201, 'ok', 'ok'],
  [302, 'unknown', 'fail'],
  [400, 'fail', 'fail'],
  [401, 'fail', 'fail'],
  [404, 'fail', 'ok'],
  [409, 'fail', 'fail'],
  [422, 'fail', 'fail'],
  [500, 'unknown', 'fail'],
  [503, 'unknown', 'fail'],
] as const;

/** Calls all of them, and gives their outcomes and what was recorded of each. */
async function outcomes(
  { pipeline, recorder }: Pick<LocalTarget, 'pipeline' | 'recorder'>,
  calls: typeof WRITES,
): Promise<{ told: Set<string>; ends: Completed[] }> {
  const told = new Set<string>();
  for (const [kind, call] of Object.entries(calls)) {
    const { outcome, op } = await call(pipeline);
    told.add(outcome);
    const [invoked, end, ...others] = recorder.records.filter((record) => 'op' in record && record.op === op);
    expect([invoked?.type, end?.type, others]).toEqual(['invoke', outcome, []]);
    expect(end).toMatchObject({ kind });
  }
  const ends = recorder.records.filter((record) => ['ok', 'fail', 'unknown'].includes(record.type)) as Completed[];
  return { told, ends };
}

describe('what becomes of a request', () => {
  test.each(STATUSES)('answered %i: %s for a write, %s for a read', async (status, write, read) => {
    const local = await target({ status, body: {} });
    expect((await outcomes(local, WRITES)).told).toEqual(new Set([write]));
    expect((await outcomes(local, READS)).told).toEqual(new Set([read]));
  });

  test('a reset may have come after the commit', async () => {
    const local = await target('reset');
    expect((await outcomes(local, WRITES)).told).toEqual(new Set(['unknown']));
    expect((await outcomes(local, READS)).told).toEqual(new Set(['fail']));
  });

  test('so may the end of a wait', async () => {
    const { pipeline } = await target('hang');
    await pipeline.token();
    const calls = Object.entries({ ...WRITES, ...READS });
    const answers = await Promise.all(
      calls.map(async ([kind, call]) => [kind, (await call(pipeline, { timeoutMs: 100 })).outcome]),
    );
    expect(Object.fromEntries(answers)).toEqual({
      ...Object.fromEntries(Object.keys(WRITES).map((kind) => [kind, 'unknown'])),
      ...Object.fromEntries(Object.keys(READS).map((kind) => [kind, 'fail'])),
    });
  });

  test('a refused connection certainly did nothing', async () => {
    // A port that only root could open, and that is closed.
    const refused = clientOf('http://127.0.0.1:1');
    const { told, ends } = await outcomes(refused, { ...WRITES, ...READS });
    expect(told).toEqual(new Set(['fail']));
    expect(ends[0]?.error).toContain('ECONNREFUSED');
  });

  test('a read that finds nothing says so, one that finds the file says what it is', async () => {
    const absent = await target({ status: 404, body: { title: 'Not Found', status: 404 } });
    await absent.pipeline.searchById(ID, { final: true });
    expect(absent.recorder.records).toMatchObject([
      { type: 'invoke', kind: 'read', fileId: ID, final: true },
      { type: 'ok', kind: 'read', fileId: ID, status: 404, found: false },
    ]);
    const hit = await target({ status: 200, body: hitOf(ID) });
    await hit.pipeline.searchById(ID);
    expect(hit.recorder.records[1]).toMatchObject({ type: 'ok', found: true, state: { fileId: ID, checksum: 'c' } });
    const entry = await target({ status: 200, body: entryOf(ID) });
    await entry.pipeline.registryFile(ID);
    expect(entry.recorder.records[1]).toMatchObject({ type: 'ok', found: true, state: { fileId: ID, version: 1 } });
  });

  test('an answer that is not as the contract says is no state', async () => {
    const { pipeline, recorder } = await target({ status: 200, body: { ...hitOf(ID), file_size: 'one' } });
    await pipeline.searchById(ID);
    expect(recorder.records[1]).toMatchObject({ type: 'ok', found: true });
    expect(recorder.records[1]).not.toHaveProperty('state');
  });

  test('an upload tells what it sent, and its id once acknowledged', async () => {
    const { pipeline, recorder } = await target({ status: 201, body: { file_id: ID } });
    await pipeline.upload(FILE, { intendedAt: -5 });
    const checksum = createHash('sha256').update(FILE.content).digest('hex');
    expect(recorder.records).toMatchObject([
      { type: 'invoke', intendedAt: -5, input: { filename: 'a.txt', fileSize: 1, checksum } },
      { type: 'ok', fileId: ID, status: 201 },
    ]);
    expect(recorder.records[0]).not.toHaveProperty('fileId');
  });
});

test.each<[string, LocalAnswer]>([
  ['answers', { status: 200, body: {} }],
  ['refusals', { status: 403, body: { title: 'Forbidden', status: 403 } }],
  ['failures', { status: 500, body: { title: 'Internal Server Error', status: 500 } }],
  ['resets', 'reset'],
])('neither the secret nor the token is in the records of %s', async (_name, answer) => {
  const local = await target(answer);
  await outcomes(local, { ...WRITES, ...READS });
  const text = JSON.stringify(local.recorder.records);
  for (const secret of local.secrets) expect(text).not.toContain(secret);
});

const NAMES = [
  'plain.txt',
  'a "quoted" name.txt',
  '"',
  'back\\slash.txt',
  '\\"both\\\\".txt',
  'ends with \\',
  'line\nbreak.txt',
  'carriage\r\nreturn.txt',
  'emoji 🎉👩‍👩‍👧.txt',
  'ümläut und 漢字.txt',
  'it\'s; name="x"; filename=other.txt',
  '../../etc/passwd',
  'a/b\\c:d.txt',
  ' spaces around .txt ',
  '100%.txt',
];

describe('multipart', () => {
  test('names, texts and bytes arrive at the ingester as they were sent', async () => {
    const registered: Record<string, unknown>[] = [];
    const ingester = await startIngester(registered);
    for (const [index, filename] of NAMES.entries()) {
      const content = Buffer.from(`--syncproof\r\n\0${filename}\r\n`.repeat(index));
      const sent = { filename, content, description: `of ${filename}`, tags: [filename], metadata: { filename } };
      const answer = await ingester.upload(sent);
      expect([answer.status, answer.body]).toEqual([201, expect.objectContaining({ original_filename: filename })]);
      expect(registered.at(-1)).toMatchObject({
        original_filename: filename,
        file_size: content.length,
        checksum_sha256: createHash('sha256').update(content).digest('hex'),
        description: `of ${filename}`,
        tags: [filename],
        user_metadata: { filename },
      });
    }
  });
});

/** The real ingester on a port of its own; storage and registry only take down what they are given. */
async function startIngester(registered: Record<string, unknown>[]): Promise<PipelineClient> {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const token = await new SignJWT({ type: 'service_account', role: 'ADMIN', name: 'n', client_id: 'c' })
    .setProtectedHeader({ alg: 'RS256', kid: 'k' })
    .setIssuer('syncproof')
    .setSubject('c')
    .setJti('j')
    .setIssuedAt()
    .setNotBefore(0)
    .setExpirationTime('1h')
    .sign(privateKey);
  const tokens = cleanup.use(await startLocalTarget(() => 'reset', { token }));
  const app = await buildIngester({
    config: loadSettings(ingesterSettings, { LOG_LEVEL: 'silent' }),
    log: createLog('ingester', 'silent'),
    metrics: createMetrics('ingester'),
    auth: createAuthenticator({ issuer: 'syncproof', keys: async () => publicKey }),
    storage: {
      async put(name, bytes) {
        const hash = createHash('sha256');
        let size = 0;
        for await (const chunk of bytes) {
          hash.update(chunk);
          size += chunk.length;
        }
        const checksum_sha256 = hash.digest('hex');
        return { storage_path: `/${name}`, storage_element_id: 'storage-1', size, checksum_sha256 };
      },
      deletionKey: async (name) => `key of ${name}`,
      remove: async () => {},
    },
    registry: {
      async register(file) {
        registered.push(file);
        const entry = { ...entryOf(String(file.file_id)), ...JSON.parse(JSON.stringify(file)) };
        return { outcome: 'registered', file: registryFileSchema.parse(entry) };
      },
      find: async () => undefined,
    },
    cleanup: { discard: async () => {}, settle: () => {} },
    fileBytesMax: 1_000_000,
    storageAnswers: async () => true,
    adminAnswers: async () => true,
  });
  cleanup.defer(() => app.close());
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  return clientOf(url, tokens.url).pipeline;
}
