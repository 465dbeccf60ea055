import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createPipelineClient } from '../../harness/clients/pipeline.ts';
import { httpProbe } from '../../harness/environment/process/probes.ts';
import { memoryRecorder } from '../../harness/record/writer.ts';
import { SERVICE_NAMES } from '../contract/names.ts';
import { createAuthority } from './fixtures/tls/certificates.ts';
import { type Choices, startTlsServers, type TlsPipeline } from './fixtures/tls/pipeline.ts';

let pipeline: TlsPipeline;
let verified: Choices;

beforeAll(async () => {
  pipeline = await startTlsServers();
  const { right } = pipeline.authorities;
  verified = {
    redisScheme: 'rediss',
    databaseParameters: '?sslmode=verify-full',
    settings: { REDIS_CA_FILE: right, DATABASE_CA_FILE: right },
  };
  await Promise.all(SERVICE_NAMES.map((service) => pipeline.start(service, verified)));
}, 60_000);

afterAll(() => pipeline?.[Symbol.asyncDispose]());

const readiness = async (url: string): Promise<unknown> => {
  const { status, body } = await httpProbe(`${url}/health/ready`, { timeoutMs: 3000 });
  return { code: status, ...JSON.parse(body) };
};

const soon = { timeout: 20_000, interval: 50 };

test('a certificate of an authority is one that Node takes for it', async () => {
  const authority = await createAuthority('a');
  const root = new X509Certificate(authority.certificate);
  const server = new X509Certificate((await authority.issue('127.0.0.1')).certificate);
  expect(root.ca).toBe(true);
  expect(server.checkIP('127.0.0.1')).toBe('127.0.0.1');
  expect(server.verify(root.publicKey)).toBe(true);
  expect(server.verify(new X509Certificate((await createAuthority('a')).certificate).publicKey)).toBe(false);
});

test('over TLS alone an uploaded file becomes searchable', async () => {
  const { urls, accounts } = pipeline;
  await expect.poll(() => readiness(urls.query), soon).toMatchObject({ code: 200, database: 'ok', cache: 'ok' });
  await using client = createPipelineClient({ urls, accounts: accounts.roles, recorder: memoryRecorder() });
  const { status } = await client.upload({ filename: 'over-tls.txt', content: Buffer.from('over tls') });
  expect(status).toBe(201);
  const search = { mode: 'exact', query: 'over-tls.txt' };
  await expect.poll(async () => (await client.search(search)).body, soon).toMatchObject({ total_count: 1 });
});

describe('an instance of query stays away from', () => {
  const cases: { what: string; change: () => Partial<Choices>; readied: object; log: RegExp }[] = [
    {
      what: 'a Redis that another authority vouches for',
      change: () => ({ settings: { ...verified.settings, REDIS_CA_FILE: pipeline.authorities.wrong } }),
      readied: { code: 200, database: 'ok', cache: 'degraded' },
      log: /UNABLE_TO_VERIFY_LEAF_SIGNATURE.*redis client/,
    },
    {
      what: 'a Redis that no authority known to Node vouches for',
      change: () => ({ settings: { DATABASE_CA_FILE: pipeline.authorities.right } }),
      readied: { code: 200, database: 'ok', cache: 'degraded' },
      log: /UNABLE_TO_VERIFY_LEAF_SIGNATURE.*redis client/,
    },
    {
      what: 'a PostgreSQL that another authority vouches for',
      change: () => ({ settings: { ...verified.settings, DATABASE_CA_FILE: pipeline.authorities.wrong } }),
      readied: { code: 503 },
      log: /UNABLE_TO_VERIFY_LEAF_SIGNATURE.*not prepared yet/,
    },
    {
      what: 'a PostgreSQL that no authority known to Node vouches for',
      change: () => ({ settings: { REDIS_CA_FILE: pipeline.authorities.right } }),
      readied: { code: 503 },
      log: /UNABLE_TO_VERIFY_LEAF_SIGNATURE.*not prepared yet/,
    },
    {
      what: 'a PostgreSQL that it is to speak to in the clear',
      change: () => ({
        databaseParameters: '?sslmode=disable',
        settings: { REDIS_CA_FILE: pipeline.authorities.right },
      }),
      readied: { code: 503 },
      log: /no encryption/,
    },
  ];
  test.each(cases)('$what', async ({ change, readied, log }) => {
    const { url, part } = await pipeline.start('query', { ...verified, ...change() }, true);
    await expect.poll(() => readiness(url), soon).toMatchObject(readied);
    await expect.poll(() => part.logs(), soon).toMatch(log);
    // It has tried by now, without success.
    expect(await readiness(url)).toMatchObject(readied);
    await part.stop();
  });
});
