import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect, test } from 'vitest';
import { connectPostgres } from '../../harness/clients/postgres.ts';
import { SERVICE_NAMES } from '../../harness/contract/names.ts';
import { pollUntil } from '../../harness/core/poll.ts';
import type { Environment, EnvironmentOptions } from '../../harness/environment/environment.ts';
import { canMount } from '../../harness/environment/process/small-disk.ts';
import { startProcesses } from '../../harness/environment/processes.ts';
import { createFaults } from '../../harness/faults/faults.ts';
import { memoryRecorder } from '../../harness/record/writer.ts';

const recorder = memoryRecorder();
const start = (options: Partial<EnvironmentOptions>): Promise<Environment> =>
  startProcesses({ kind: 'processes', profile: 'default', recorder, deferred: SERVICE_NAMES, ...options });
const mounts = (): string => readFileSync('/proc/self/mountinfo', 'utf8');

test('without a small disk nothing can be filled, and nobody offers to', async () => {
  await using environment = await start({});
  expect(environment.capabilities.has('fill postgres')).toBe(false);
  await expect(createFaults(environment, recorder).postgres.fillDisk()).rejects.toThrow('cannot be filled');
});

test.skipIf(!canMount())('a full disk refuses writes until it is healed, and outlives the server', async () => {
  const environment = await start({ postgresDisk: 'small' });
  await using _ended = environment;
  expect(environment.capabilities.has('fill postgres')).toBe(true);
  const faults = createFaults(environment, recorder);
  const database = connectPostgres(environment.databaseAccess('query'));
  const insert = (): Promise<unknown> =>
    database.query("INSERT INTO kept SELECT repeat('x', 1000) FROM generate_series(1, 100)");
  await database.query('CREATE TABLE kept (text text)');
  await insert();
  const full = await faults.postgres.fillDisk();
  expect(full).toMatchObject({ kind: 'postgres-disk-full', witness: expect.stringMatching(/53100: .*No space left/) });
  await expect(insert()).rejects.toMatchObject({ code: '53100' });
  expect((await database.query('SELECT count(*)::int AS count FROM kept')).rows).toEqual([{ count: 100 }]);
  await full.heal();
  await insert();
  await (await faults.postgres.kill()).heal();
  expect((await database.query('SELECT count(*)::int AS count FROM kept')).rows).toEqual([{ count: 200 }]);
  await database.end();
  const [disk = ''] = mounts().match(/\S+\/postgres(?= \S+ .*- tmpfs syncproof)/) ?? [];
  expect(dirname(disk)).toContain(environment.id);
  await environment.stop();
  expect(mounts()).not.toContain(environment.id);
});

test.skipIf(!canMount())('a server that ends since it cannot write its log is started again by healing', async () => {
  await using environment = await start({ postgresDisk: 'small' });
  const database = connectPostgres(environment.databaseAccess('query'));
  const { postgres } = environment.parts;
  await using full = await createFaults(environment, recorder).postgres.fillDisk();
  await pollUntil(
    async () => {
      if (!(await postgres.running())) return true;
      await database.query("SELECT pg_logical_emit_message(false, 'test', repeat('x', 1000000))").catch(() => {});
      return undefined;
    },
    { what: 'PostgreSQL to end', timeoutMs: 20_000 },
  );
  await full.heal();
  expect((await database.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  await database.end();
});
