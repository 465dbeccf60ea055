import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { withoutSecrets } from '../../harness/core/text.ts';
import type { HistoryRecord } from '../../harness/record/history.ts';
import { evidenceFolder, type Witnessed, writeEvidence } from './evidence.ts';

const KEY = 'RES-01/killed';
const SECRET = 'a-secret "in quotes"';
const TOKEN = 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl';
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const PEM = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'syncproof-evidence-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

/** Components with a log of their own each, of a pipeline whose Redis cannot be inspected. */
function witnessed(logs: Record<string, () => Promise<string>>, records: readonly HistoryRecord[] = []): Witnessed {
  const parts = Object.fromEntries(Object.entries(logs).map(([name, read]) => [name, { name, logs: read }]));
  return {
    ...{ key: KEY, attempt: 1, records },
    env: {
      parts: parts as unknown as Witnessed['env']['parts'],
      secrets: [SECRET],
      signingKey: async () => PEM,
      redisAddress: () => {
        throw new Error(`The target file does not give redis, ${SECRET}`);
      },
    },
  };
}

test('a try has a folder of its own, whose name is no path', () => {
  expect(evidenceFolder(KEY, 1)).toBe('evidence/RES-01-killed');
  expect(evidenceFolder(KEY, 2)).toBe('evidence/RES-01-killed-try-2');
  expect(evidenceFolder('../a/../b c:d', 1)).toBe('evidence/-a-b-c-d');
});

test('it is the records, the state of the stream and the last lines of each log; what cannot be had is said', async () => {
  const run = await temporaryFolder();
  const lines = Array.from({ length: 700 }, (_, index) => `line ${index + 1}`);
  const gone = async (): Promise<string> => {
    throw new Error('No such container');
  };
  const record: HistoryRecord = { at: 1, type: 'phase', phase: 'baseline' };
  const logs = { admin: async () => `${lines.join('\n')}\n`, query: gone, storage: async () => '' };
  const paths = await writeEvidence(run, witnessed(logs, [record]));
  expect(paths).toEqual(
    ['history.jsonl', 'stream.txt', 'admin.log', 'query.log', 'storage.log'].map(
      (name) => `evidence/RES-01-killed/${name}`,
    ),
  );
  const [history, stream, admin, query, storage] = await Promise.all(
    paths.map((path) => readFile(join(run, path), 'utf8')),
  );
  expect(history).toBe(`${JSON.stringify({ ...record, case: KEY })}\n`);
  expect(stream).toBe('unavailable: The target file does not give redis, ***\n');
  expect(admin).toBe(`${lines.slice(-500).join('\n')}\n`);
  expect(query).toBe('unavailable: No such container\n');
  expect(storage).toMatch(/^empty: /);
});

test('a Redis that does not answer is no reason to fail, or to wait', { timeout: 10_000 }, async () => {
  const run = await temporaryFolder();
  const { env, ...rest } = witnessed({});
  const away = { ...env, redisAddress: () => ({ host: '127.0.0.1', port: 1 }) };
  const [, stream = ''] = await writeEvidence(run, { ...rest, env: away });
  const text = await readFile(join(run, stream), 'utf8');
  expect(text.match(/^X/gm)).toHaveLength(text.match(/^unavailable: /gm)?.length ?? 0);
  expect(text).toMatch(/^XINFO GROUPS file-events\nunavailable: /m);
});

test('no secret gets in, in whatever form', async () => {
  const run = await temporaryFolder();
  const { d = '' } = privateKey.export({ format: 'jwk' });
  const record: HistoryRecord = { at: 1, type: 'phase', phase: `${SECRET} ${TOKEN} ${d}` };
  const paths = await writeEvidence(run, witnessed({ admin: async () => `${SECRET}\n${PEM}\n${TOKEN}.\n` }, [record]));
  const text = (await Promise.all(paths.map((path) => readFile(join(run, path), 'utf8')))).join('\n');
  const body = PEM.split('\n').slice(1, -2);
  for (const secret of ['a-secret', 'in quotes', TOKEN, d, ...body]) expect(text).not.toContain(secret);
  expect(JSON.parse(text.split('\n')[0] ?? '')).toEqual({ ...record, phase: '*** *** ***', case: KEY });
});

test('a key that cannot be read costs neither the evidence nor the case', async () => {
  const run = await temporaryFolder();
  const { env, ...rest } = witnessed({ admin: async () => 'a line\n' });
  const paths = await writeEvidence(run, { ...rest, env: { ...env, signingKey: async () => '{"kty":"RSA"}' } });
  expect(await readFile(join(run, paths.at(-1) ?? ''), 'utf8')).toBe('a line\n');
});

test('a secret that lies in another leaves nothing of that to be read', () => {
  expect(withoutSecrets('key abcdef, end', ['cd', 'abcdef', ''])).toBe('key ***, end');
});

test('a folder that cannot be made leaves the case without evidence', async () => {
  const run = await temporaryFolder();
  await writeFile(join(run, 'evidence'), 'in the way');
  expect(await writeEvidence(run, witnessed({}))).toEqual([]);
});
