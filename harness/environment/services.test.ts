import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { createFaults } from '../faults/faults.ts';
import { memoryRecorder } from '../record/writer.ts';
import type { EnvironmentOptions } from './common/environment.ts';
import { startReference } from './fixtures/reference.ts';
import { MARK_VARIABLE } from './leftovers/marker.ts';
import { httpProbe } from './process/probes.ts';
import { markedProcesses } from './process/table.ts';
import { startProcesses } from './processes/environment.ts';

/** The storage service alone: it needs no server. */
const storageOnly = (recorder = memoryRecorder()): EnvironmentOptions => ({
  kind: 'processes',
  profile: 'default',
  recorder,
  deferred: ['redis', 'postgres', 'admin', 'ingester', 'query'],
});

test('a service is killed, paused and stopped, and comes back at its address', async () => {
  const recorder = memoryRecorder();
  await using environment = await startProcesses(storageOnly(recorder));
  const faults = createFaults(environment, recorder);
  for (const start of [faults.storage.kill, faults.storage.pause, faults.storage.stop]) {
    await using fault = await start();
    expect(fault.target).toBe('storage');
  }
  await using _restarted = await faults.storage.restart();
  expect((await httpProbe(`${environment.urls.storage}/health/live`)).status).toBe(200);
  expect(recorder.records.filter(({ type }) => type === 'fault').length).toBe(16);
  expect(await environment.parts.storage.logs()).toContain('listening');
});

test('settings of the run and arguments for node reach the service', async () => {
  await using environment = await startProcesses({
    ...storageOnly(),
    settings: { storage: { GIT_SHA: 'abc1234' } },
    nodeArguments: { storage: ['--title=with-arguments'] },
  });
  const { body } = await httpProbe(`${environment.urls.storage}/version`);
  expect(JSON.parse(body)).toMatchObject({ git_sha: 'abc1234' });
});

test('a service that cannot start fails the start with its own words, and nothing remains', async () => {
  const recorder = memoryRecorder();
  const starting = startProcesses({ ...storageOnly(recorder), settings: { storage: { LOG_LEVEL: 'loud' } } });
  await expect(starting).rejects.toThrow(/storage did not start.*exited with 2.*Expected LOG_LEVEL to be one of/s);
  const [first] = recorder.records;
  const id = first?.type === 'environment' ? first.environmentId : '';
  expect(id).not.toBe('');
  expect(markedProcesses(`${MARK_VARIABLE}=${id}`, [])).toEqual([]);
  expect(existsSync(`/dev/shm/syncproof-${id}`)).toBe(false);
  expect(recorder.records.at(-1)).toMatchObject({ type: 'environment', status: 'failed' });
});

test('a service that crashes by itself is recorded', async () => {
  const recorder = memoryRecorder();
  await using environment = await startProcesses(storageOnly(recorder));
  const [pid] = markedProcesses(`${MARK_VARIABLE}=${environment.id}`, []);
  process.kill(pid ?? 0, 'SIGKILL');
  await expect
    .poll(() => recorder.records.at(-1))
    .toMatchObject({ type: 'environment', status: 'failed', part: 'storage' });
  expect(await environment.parts.storage.running()).toBe(false);
});

test('a port that is taken is named', async () => {
  await using environment = await startProcesses(storageOnly());
  const port = Number(new URL(environment.urls.storage).port);
  const second = startProcesses({ ...storageOnly(), ports: { storage: port } });
  await expect(second).rejects.toThrow(`Expected the port of storage to be free, got ${port}`);
});

test('the whole pipeline starts side by side and gives a token', async () => {
  const recorder = memoryRecorder();
  await using environment = await startProcesses({ kind: 'processes', profile: 'classic', recorder });
  const { clientId, clientSecret } = environment.accounts.READONLY;
  const token = await httpProbe(`${environment.urls.admin}/api/v1/auth/token`, {
    method: 'POST',
    body: { client_id: clientId, client_secret: clientSecret },
  });
  expect(token.status).toBe(200);
  const ready = recorder.records.find((record) => record.type === 'environment' && record.status === 'ready');
  expect(ready).toMatchObject({ versions: { redis: expect.any(String), postgres: expect.any(String) } });
  expect(recorder.records).toContainEqual(expect.objectContaining({ type: 'figure', name: 'environment-ready-ms' }));
  const secrets = [clientSecret, environment.databaseAccess('admin').password];
  const logs = await Promise.all(Object.values(environment.parts).map((part) => part.logs()));
  for (const secret of secrets) expect(logs.join('')).not.toContain(secret);
});

test('a second instance of query and of admin answers like the first, and ends with the environment at the latest', async () => {
  const recorder = memoryRecorder();
  let url: string;
  {
    await using environment = await startReference({ recorder });
    const faults = createFaults(environment, recorder);
    await using query = await environment.startInstance('query');
    expect(query.name).toBe('query-2');
    // Searches need no consumer, so an instance is ready before it reads the stream.
    await expect
      .poll(async () => (await httpProbe(`${query.url}/health/ready`)).body, { timeout: 10_000 })
      .toContain('"cache":"ok"');
    {
      await using killed = await faults.of(query).kill();
      expect(killed.target).toBe('query-2');
      expect(await query.part.running()).toBe(false);
    }
    expect(await query.part.running()).toBe(true);
    const admin = await environment.startInstance('admin');
    url = admin.url;
    expect((await httpProbe(`${url}/health/ready`)).status).toBe(200);
    expect((await environment.startInstance('query')).name).toBe('query-3');
  }
  await expect(httpProbe(`${url}/health/live`)).rejects.toThrow();
});
