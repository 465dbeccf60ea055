import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createPipelineClient } from '../../harness/clients/pipeline.ts';
import { SERVICE_NAMES } from '../../harness/contract/names.ts';
import { startProcesses } from '../../harness/environment/processes.ts';
import { memoryRecorder } from '../../harness/record/writer.ts';

test('no secret of a running pipeline is in a log or in the history, also when calls fail', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'syncproof-secrets-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const recorder = memoryRecorder();
  await using environment = await startProcesses({
    ...{ kind: 'processes', profile: 'default', recorder, storage: 'memory', logDirectory: directory },
    settings: Object.fromEntries(SERVICE_NAMES.map((name) => [name, { LOG_LEVEL: 'debug' }])),
  });
  const { urls, accounts } = environment;
  await using pipeline = createPipelineClient({ urls, accounts, recorder });
  const token = await pipeline.token();
  const secrets = [
    token,
    ...Object.values(accounts).map(({ clientSecret }) => clientSecret),
    ...(['admin', 'query'] as const).flatMap((service) =>
      [
        environment.accessOf(service),
        { database: environment.databaseAccess(service), redis: environment.redisAddress() },
      ].flatMap(({ redis, database }) => [redis.password ?? '', database.password]),
    ),
  ];
  const file = { filename: 'a.txt', content: Buffer.from('a') };
  expect((await pipeline.upload(file)).status).toBe(201);
  const wrong = { client_id: accounts.USER.clientId, client_secret: `${accounts.USER.clientSecret}x` };
  const asked = await pipeline.request('admin', 'POST', '/api/v1/auth/token', { authenticated: false, body: wrong });
  expect(asked.status).toBe(401);
  await pipeline.request('admin', 'GET', '/api/v1/files', { headers: { authorization: `Bearer ${token}x` } });
  await environment.parts.postgres.kill();
  expect((await pipeline.upload(file)).status).toBe(503);
  await environment.parts.postgres.start();

  const logs = await readdir(environment.logDirectory);
  expect(logs.toSorted()).toEqual(
    ['admin', 'ingester', 'postgres', 'query', 'redis', 'storage'].map((n) => `${n}.log`),
  );
  for (const name of logs) {
    const text = await readFile(join(environment.logDirectory, name), 'utf8');
    expect(text.length, `${name} is written`).toBeGreaterThan(0);
    expect(secrets.filter((secret) => text.includes(secret)).length, `secrets in ${name}`).toBe(0);
  }
  const history = JSON.stringify(recorder.records);
  expect(secrets.filter((secret) => history.includes(secret)).length, 'secrets in the history').toBe(0);
});
