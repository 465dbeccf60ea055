import { spawn } from 'node:child_process';
import { createPrivateKey, randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { SERVICE_NAMES } from '../../services/contract/names.ts';
import { writeEvidence } from '../../suites/runner/evidence.ts';
import { createPipelineClient, type PipelineClient } from '../clients/pipeline.ts';
import { openHistory } from '../record/writer.ts';
import { writeReports } from '../report/write.ts';
import type { OwnEnvironment } from './common/environment.ts';
import { startReference } from './fixtures/reference.ts';
import { MARK_VARIABLE } from './leftovers/marker.ts';

const FILE = { filename: 'a.txt', content: Buffer.from('a') };
/** Of the harness, one of each service and server. */
const PROCESSES_MIN = 6;
/** Requested without a token. */
const OPEN_PATHS = ['/version', '/health/live', '/health/ready', '/metrics', '/openapi.json', '/.well-known/jwks.json'];

/** Where a text was found → the text. */
type Texts = Map<string, string>;

/** Every secret by what it is; the key by a part of it that its PEM and its JWK form have in common. */
async function secretsOf(environment: OwnEnvironment, pipeline: PipelineClient): Promise<Map<string, string>> {
  const { accounts, folder } = environment;
  const clients = z.array(z.object({ client_id: z.string(), client_secret: z.string() }));
  const written = clients.parse(JSON.parse(await readFile(join(folder, 'clients.json'), 'utf8')));
  const pem = (await environment.signingKey?.()) ?? '';
  const { d = '' } = createPrivateKey(pem).export({ format: 'jwk' });
  const { password } = environment.redisAddress();
  return new Map([
    ...written.map((each) => [`the secret of ${each.client_id}`, each.client_secret] as const),
    ...Object.values(accounts).map((each) => [`the secret of ${each.clientId}`, each.clientSecret] as const),
    ...(['admin', 'query'] as const).flatMap((each) => {
      const { redis, database } = environment.accessOf(each);
      return [
        [`the database password of ${each}`, database.password] as const,
        [`the password of ${each} at Redis`, redis.password ?? ''] as const,
      ];
    }),
    ['the database password of the harness', environment.databaseAccess('query').password],
    ['the password of the harness at Redis', password ?? ''],
    ['the token', await pipeline.token()],
    ['the signing key', d],
    ['the signing key as PEM', pem.split('\n')[5] ?? ''],
  ]);
}

/** What is answered to requests, under the name that the caller gives to the moment. */
async function ask({ urls }: OwnEnvironment, moment: string, texts: Texts): Promise<void> {
  for (const service of SERVICE_NAMES) {
    for (const path of OPEN_PATHS) {
      const answer = await fetch(`${urls[service]}${path}`);
      texts.set(`answer of ${service} to ${path} ${moment}`, await answer.text());
    }
  }
}

/** Arguments, as any user of the machine can read them, of every process of the environment. */
async function processArguments(id: string): Promise<Texts> {
  const found: Texts = new Map();
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    try {
      const environment = await readFile(`/proc/${pid}/environ`, 'utf8');
      if (!environment.includes(`${MARK_VARIABLE}=${id}`)) continue;
      found.set(`arguments of process ${pid}`, await readFile(`/proc/${pid}/cmdline`, 'utf8'));
    } catch {
      // It has ended meanwhile, or is another user's.
    }
  }
  return found;
}

async function filesOf(folder: string, what: string): Promise<Texts> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const read = files.map(async ({ parentPath, name }) => {
    return [`${what} ${name}`, await readFile(join(parentPath, name), 'utf8')] as const;
  });
  return new Map(await Promise.all(read));
}

/** Calls that fail with a secret in them, each in another way. */
async function fail(environment: OwnEnvironment, pipeline: PipelineClient, texts: Texts): Promise<void> {
  const { clientId, clientSecret } = environment.accounts.USER;
  const token = await pipeline.token();
  const right = { client_id: clientId, client_secret: clientSecret };
  const json = { 'content-type': 'application/json' };
  const login = (body: unknown) => ['admin', 'POST', '/api/v1/auth/token', { authenticated: false, body }] as const;
  const bearer = (value: string) => ({ headers: { authorization: value } });
  const calls = [
    login({ ...right, client_secret: `${clientSecret}x` }),
    login({ ...right, client_secret: [clientSecret] }),
    login({ ...right, client_id: `${clientId}\0` }),
    login({ [clientSecret]: clientId }),
    ['admin', 'POST', '/api/v1/auth/token', { headers: json, body: JSON.stringify(right).slice(0, -1) }],
    ['admin', 'POST', '/api/v1/auth/token', { headers: { 'content-type': 'a/b' }, body: JSON.stringify(right) }],
    ...SERVICE_NAMES.flatMap((service) => [
      [service, 'GET', `/nothing/${randomUUID()}`, bearer(`Bearer ${token}`)] as const,
      [service, 'GET', '/nothing', bearer(`Bearer ${token}x`)] as const,
      [service, 'GET', '/nothing', bearer(token)] as const,
    ]),
    ['admin', 'GET', '/api/v1/files', bearer(`Bearer ${token}x`)],
    ['storage', 'DELETE', '/api/v1/objects/a', { headers: { 'x-deletion-key': token, authorization: '' } }],
  ] as const;
  for (const [i, [service, method, path, request]] of calls.entries()) {
    const { status = 0, body } = await pipeline.request(service, method, path, request);
    expect(status, `${method} ${path}`).toBeGreaterThanOrEqual(400);
    texts.set(`answer ${i} of ${service}, ${status}`, JSON.stringify(body));
  }
}

const leaks = (texts: Texts, secrets: ReadonlyMap<string, string>): string[] =>
  [...secrets].flatMap(([what, secret]) =>
    [...texts].flatMap(([where, text]) => (text.includes(secret) ? [`${what} in ${where}`] : [])),
  );

test('no secret is in a log, the history, a report, an answer or an argument, whatever fails', {
  timeout: 120_000,
}, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'syncproof-secrets-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  // No secret, but told wherever one might be: what is not found of it was not looked at.
  const planted = randomBytes(18).toString('base64url');
  const historyPath = join(directory, 'history.jsonl');
  using recorder = openHistory(historyPath, performance.now());
  await using environment = await startReference({
    recorder,
    logDirectory: join(directory, 'logs'),
    settings: Object.fromEntries(SERVICE_NAMES.map((name) => [name, { LOG_LEVEL: 'debug', GIT_SHA: planted }])),
  });
  const { urls, accounts, parts } = environment;
  await using pipeline = createPipelineClient({ urls, accounts, recorder });
  const secrets = await secretsOf(environment, pipeline);
  for (const [what, secret] of secrets) expect(secret.length, what).toBeGreaterThan(15);
  const texts: Texts = new Map();

  expect((await pipeline.upload({ ...FILE, filename: planted })).status).toBe(201);
  for (const service of SERVICE_NAMES) await fetch(`${urls[service]}/nothing?${planted}`);
  await ask(environment, 'at first', texts);
  await fail(environment, pipeline, texts);
  await parts.redis.kill();
  expect((await pipeline.upload(FILE)).status).toBe(201);
  await ask(environment, 'without Redis', texts);
  await parts.postgres.kill();
  expect((await pipeline.upload(FILE)).status).toBe(503);
  expect((await pipeline.search({ query: 'a', mode: 'partial' })).status).toBe(503);
  await ask(environment, 'without PostgreSQL', texts);
  await fail(environment, pipeline, texts);
  await Promise.all([parts.postgres.start(), parts.redis.start()]);

  const mark = { ...process.env, [MARK_VARIABLE]: environment.id };
  const careless = spawn(process.execPath, ['--eval', 'setInterval(() => {}, 1000)', planted], { env: mark });
  onTestFinished(() => void careless.kill('SIGKILL'));
  const commands = await processArguments(environment.id);
  expect(commands.size).toBeGreaterThan(PROCESSES_MIN);
  const logs = await filesOf(environment.logDirectory, 'log');
  expect([...logs.keys()].toSorted()).toEqual(
    ['admin', 'ingester', 'postgres', 'query', 'redis', 'storage'].map((name) => `log ${name}.log`),
  );
  for (const [name, text] of logs) expect(text.length, `${name} is written`).toBeGreaterThan(0);
  await writeEvidence(directory, { env: environment, key: 'AUTH-01', attempt: 1, records: [] });
  const outputDirectory = join(directory, 'report');
  await writeReports({ historyPath, outputDirectory, complete: true });
  const all: Texts = new Map([
    ...[...texts, ...commands, ...logs],
    ...(await filesOf(outputDirectory, 'report')),
    ...(await filesOf(join(directory, 'evidence'), 'evidence')),
    ['history', await readFile(historyPath, 'utf8')],
  ]);

  expect(leaks(all, secrets)).toEqual([]);
  const seen = leaks(all, new Map([['it', planted]])).join('\n');
  for (const service of SERVICE_NAMES) {
    expect(seen).toContain(`it in log ${service}.log`);
    expect(seen).toContain(`it in evidence ${service}.log`);
    for (const moment of ['at first', 'without Redis', 'without PostgreSQL']) {
      expect(seen).toContain(`it in answer of ${service} to /version ${moment}`);
    }
  }
  expect(seen).toContain('it in evidence stream.txt');
  for (const where of ['history', `arguments of process ${careless.pid}`]) expect(seen).toContain(`it in ${where}`);
  const reports = [...all.keys()].filter((name) => name.startsWith('report '));
  expect(reports.toSorted()).toEqual(
    ['index.html', 'junit.xml', 'result.json', 'summary.md'].map((n) => `report ${n}`),
  );
});
