import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { SERVICE_NAMES } from '../../../services/contract/names.ts';
import { connectPostgres } from '../../clients/servers.ts';
import { createFaults } from '../../faults/faults.ts';
import { memoryRecorder } from '../../record/writer.ts';
import type { Environment, EnvironmentOptions } from '../common/environment.ts';
import { startReference } from '../fixtures/reference.ts';
import { canHaveSmallDisk } from './small-disk.ts';

const recorder = memoryRecorder();
const start = (options: Partial<EnvironmentOptions>): Promise<Environment> =>
  startReference({ recorder, deferred: SERVICE_NAMES, ...options });
const mounts = (): string => readFileSync('/proc/self/mountinfo', 'utf8');

test('without a small disk nothing can be filled, and filling is not offered', async () => {
  await using environment = await start({});
  expect(environment.capabilities.has('fill postgres')).toBe(false);
  await expect(createFaults(environment, recorder).postgres.fillDisk()).rejects.toThrow('cannot be filled');
});

test.skipIf(!canHaveSmallDisk())('a full disk refuses writes until it is healed, and outlives the server', async () => {
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
  // Only root mounts it where all see it.
  expect(mounts().includes(environment.id)).toBe(process.getuid?.() === 0);
  await environment.stop();
  expect(mounts()).not.toContain(environment.id);
});

test.skipIf(!canHaveSmallDisk())('a server that has ended while its disk was full is started by healing', async () => {
  await using environment = await start({ postgresDisk: 'small' });
  await using full = await createFaults(environment, recorder).postgres.fillDisk();
  await environment.parts.postgres.kill();
  await full.heal();
  const database = connectPostgres(environment.databaseAccess('query'));
  expect((await database.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  await database.end();
});
