import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EVENT_STREAM_NAME, SERVICE_NAMES } from '../../services/contract/names.ts';
import { connectPostgres, connectRedis } from '../clients/servers.ts';
import { InconclusiveError } from '../core/errors.ts';
import type { Environment } from '../environment/common/environment.ts';
import { startReference } from '../environment/fixtures/reference.ts';
import { pingRedis } from '../environment/process/probes.ts';
import type { FaultChanged } from '../record/history.ts';
import { memoryRecorder } from '../record/writer.ts';
import type { Fault } from './fault.ts';
import { createFaults, type Faults } from './faults.ts';
import { REDIS_ERRORS } from './redis-errors.ts';

const recorder = memoryRecorder();
let environment: Environment;
let faults: Faults;

beforeAll(async () => {
  environment = await startReference({ recorder, deferred: SERVICE_NAMES });
  faults = createFaults(environment, recorder);
});
afterAll(() => environment.stop());

const pairs = (flat: readonly string[]): [string, string][] =>
  flat.flatMap((name, i) => (i % 2 === 0 ? [[name, flat[i + 1] ?? ''] satisfies [string, string]] : []));

const recordsOf = (id: string): FaultChanged[] =>
  recorder.records.filter((record): record is FaultChanged => record.type === 'fault' && record.fault === id);

const CASES: { kind: string; start: () => Promise<Fault>; witness: RegExp }[] = [
  { kind: 'redis-killed', start: () => faults.redis.kill(), witness: /process gone.*ECONNREFUSED/ },
  { kind: 'redis-stopped', start: () => faults.redis.stop(), witness: /process gone/ },
  { kind: 'redis-paused', start: () => faults.redis.pause(), witness: /accepts, then is silent/ },
  { kind: 'redis-restarted', start: () => faults.redis.restart(), witness: /process gone/ },
  {
    kind: 'redis-refused',
    start: () => faults.network.refuse({ server: 'redis' }),
    witness: /admin→redis.*query→redis/,
  },
  // A login and a PING, and the answers to them.
  {
    kind: 'redis-blackholed',
    start: () => faults.network.blackhole({ client: 'query', server: 'redis' }),
    witness: /^query→redis .* 51 bytes swallowed$/,
  },
  {
    kind: 'redis-replies-blackholed',
    start: () => faults.network.blackhole({ client: 'admin', server: 'redis', only: 'replies' }),
    witness: /^admin→redis .* 12 bytes swallowed$/,
  },
  {
    kind: 'redis-delayed',
    start: () => faults.network.delay({ client: 'admin', server: 'redis', ms: 40 }),
    witness: /answers after (8|9|1\d\d)/,
  },
  {
    kind: 'redis-jittery',
    start: () => faults.network.delay({ client: 'admin', server: 'redis', ms: 20, jitterMs: 15 }),
    witness: /answers after .* chunks take \d+\.\d to \d+\.\d ms/,
  },
  {
    kind: 'redis-throttled',
    start: () => faults.network.throttle({ client: 'query', server: 'redis', bytesPerSecond: 1000 }),
    witness: /^query→redis .*PONG, 63 bytes at 1000 bytes\/s$/,
  },
  ...REDIS_ERRORS.map((error) => ({
    kind: `redis-${error.toLowerCase()}`,
    start: () => faults.redisAnswers(error),
    // Rights are those of the services; the harness keeps its own.
    witness:
      error === 'NOPERM' ? /answered with NOPERM to admin, query$/ : new RegExp(`^XADD is answered with ${error}`),
  })),
  { kind: 'postgres-killed', start: () => faults.postgres.kill(), witness: /process gone/ },
  { kind: 'postgres-paused', start: () => faults.postgres.pause(), witness: /silent/ },
  { kind: 'postgres-blackholed', start: () => faults.network.blackhole({ server: 'postgres' }), witness: /swallowed/ },
];

for (const { kind, start, witness } of CASES) {
  test(`${kind}: witnessed, healed and recorded`, async () => {
    const fault = await start();
    expect(fault).toMatchObject({ kind, target: kind.split('-')[0], witness: expect.stringMatching(witness) });
    expect(fault.effectiveAt).toBeGreaterThanOrEqual(fault.requestedAt);
    const healedAt = await fault.heal();
    expect(await fault.heal()).toBe(healedAt);
    await fault[Symbol.asyncDispose]();
    const records = recordsOf(fault.id);
    expect(records.map(({ event }) => event)).toEqual(['requested', 'effective', 'healing', 'healed']);
    expect(records.at(-1)?.at).toBe(healedAt);
    await pingRedis(environment.redisAddress());
  });
}

/** Redis lists what a user may do in any order. */
const ruleInOrder = (line: string): string =>
  line
    .split(/[ ()]+/)
    .toSorted()
    .join(' ');

test('a Redis that answered with errors keeps nothing of what made it do so', async () => {
  const redis = connectRedis(environment.redisAddress());
  const state = async (): Promise<unknown> => [
    Object.fromEntries(pairs((await redis.config('GET', '*')) as string[]).sort()),
    ((await redis.acl('LIST')) as string[]).map(ruleInOrder),
    await redis.keys('syncproof:*'),
    await redis.role().then(([role]) => role),
  ];
  const before = await state();
  for (const error of REDIS_ERRORS) await (await faults.redisAnswers(error)).heal();
  expect(await state()).toEqual(before);
  redis.disconnect();
});

test('backends of one service are stopped and ended, those of the other are not', async () => {
  const query = connectPostgres({ ...environment.databaseAccess('query'), applicationName: 'a-service' });
  const admin = connectPostgres({ ...environment.databaseAccess('admin'), applicationName: 'a-service' });
  await Promise.all([query.query('SELECT 1'), admin.query('SELECT 1')]);
  {
    await using stopped = await faults.backends.stop('query');
    expect(stopped).toMatchObject({
      kind: 'postgres-query-backends-stopped',
      witness: '1 backends of query are stopped',
    });
    const answer = query.query('SELECT 2');
    const first = await Promise.race([answer.then(() => 'stopped'), admin.query('SELECT 2').then(() => 'running')]);
    expect(first).toBe('running');
    await stopped.heal();
    expect((await answer).rowCount).toBe(1);
  }
  const { rows } = await query.query('SELECT pg_backend_pid() AS pid');
  await using ended = await faults.backends.terminate('query');
  expect(ended.witness).toBe('1 backends of query are gone');
  await expect
    .poll(async () => (await query.query('SELECT pg_backend_pid() AS pid').catch(() => undefined))?.rows[0]?.pid)
    .not.toBe(rows[0].pid);
  await Promise.all([query.end(), admin.end()]);
});

describe('gates at the registry', () => {
  const insert = (database: Pool, name: string): Promise<unknown> =>
    database.query('INSERT INTO files (original_filename) VALUES ($1)', [name]);
  const names = async (database: Pool): Promise<string[]> =>
    (await database.query('SELECT original_filename AS name FROM files ORDER BY 1')).rows.map(({ name }) => name);

  async function withRegistry(act: (database: Pool) => Promise<void>): Promise<void> {
    const database = connectPostgres(environment.databaseAccess('admin'));
    await database.query('CREATE TABLE files (original_filename text)');
    try {
      await act(database);
    } finally {
      await database.query('DROP TABLE files');
      await database.end();
    }
  }

  test('hold the commits of the files that are meant, until healed', () =>
    withRegistry(async (database) => {
      let held: Promise<unknown> = Promise.resolve();
      await using gate = await faults.registry.holdCommits({
        filenamePrefix: "it's held",
        cause: () => (held = insert(database, "it's held 1")),
      });
      expect(gate.witness).toBe('1 transaction waits at its COMMIT');
      await insert(database, 'free');
      expect(await names(database)).toEqual(['free']);
      await gate.heal();
      await held;
      expect(await names(database)).toEqual(['free', "it's held 1"]);
    }));

  test('roll back what is meant, and nothing once healed', () =>
    withRegistry(async (database) => {
      let refused: Promise<unknown> = Promise.resolve();
      await using gate = await faults.registry.failCommits({
        filenamePrefix: 'no',
        cause: () => (refused = insert(database, 'no 1')),
      });
      await expect(refused).rejects.toThrow('syncproof refuses this commit');
      await gate.heal();
      await insert(database, 'no 2');
      expect(await names(database)).toEqual(['no 2']);
    }));
});

describe('the last events get lost', () => {
  async function whileWritten(act: () => Promise<void>): Promise<void> {
    const redis = connectRedis(environment.redisAddress());
    // Not answered while Redis is down or refuses: that is what these tests do to it.
    const add = (): unknown => redis.xadd(EVENT_STREAM_NAME, '*', 'a', 'b').catch(() => {});
    await redis.xadd(EVENT_STREAM_NAME, '*', 'a', 'b');
    const adding = setInterval(add, 10);
    try {
      await act();
    } finally {
      clearInterval(adding);
      await redis.del(EVENT_STREAM_NAME);
      redis.disconnect();
    }
  }
  const lostIn = ({ witness = '' }: { witness?: string }): number => Number(/(\d+) events are gone/.exec(witness)?.[1]);

  test.each([true, false])('with the data of a moment ago, unread: %s', (unread) =>
    whileWritten(async () => {
      const fault = await faults.redis.loseTail({ unread });
      expect(fault).toMatchObject({ kind: unread ? 'redis-unread-tail-lost' : 'redis-tail-lost', target: 'redis' });
      expect(fault.witness).toMatch(/process gone/);
      await fault.heal();
      expect(lostIn(recordsOf(fault.id).at(-1) ?? {})).toBeGreaterThanOrEqual(5);
      expect(environment.links.map(({ proxy }) => proxy.mode)).toEqual(['pass', 'pass', 'pass', 'pass']);
    }),
  );

  test('by a failover', () =>
    whileWritten(async () => {
      const fault = await faults.redis.failOver();
      expect(fault).toMatchObject({ kind: 'redis-failed-over', witness: expect.stringMatching(/READONLY/) });
      expect(lostIn(fault)).toBeGreaterThanOrEqual(5);
      await fault.heal();
    }));

  test('not where nothing is written: that is inconclusive, and undone', async () => {
    await expect(faults.redis.loseTail({ unread: true, timeoutMs: 100 })).rejects.toThrow(InconclusiveError);
    expect(environment.links.map(({ proxy }) => proxy.mode)).toEqual(['pass', 'pass', 'pass', 'pass']);
    await pingRedis(environment.redisAddress());
  });
});

test('a restart that loses the data is seen by a new run id', async () => {
  await using fault = await faults.redis.restart({ data: 'lose' });
  expect(recordsOf(fault.id).at(-1)?.witness).toMatch(/PONG, run_id \w{8} → \w{8}/);
});

test('a fault that cannot be witnessed is inconclusive, and undone', async () => {
  // A control that claims to pause and does nothing: the harness must believe the witness, not the control.
  const idle = { ...environment.parts.redis, running: async () => true, pause: async () => {}, resume: async () => {} };
  const blind = { ...environment, parts: { ...environment.parts, redis: idle } };
  const pausing = createFaults(blind, recorder, { witnessTimeoutMs: 150 }).redis.pause();
  await expect(pausing).rejects.toThrow(InconclusiveError);
  const last = recorder.records.filter((record) => record.type === 'fault').at(-1);
  expect(last).toMatchObject({ kind: 'redis-paused', event: 'unwitnessed' });
  await pingRedis(environment.redisAddress());
});

test('a fault on a part that is down, or on a wire that is broken already, is refused and changes nothing', async () => {
  await using _down = await faults.redis.kill();
  await expect(faults.redis.pause()).rejects.toThrow('not running');
  expect(await environment.parts.redis.running()).toBe(false);
  await using _cut = await faults.network.refuse({ client: 'admin', server: 'redis' });
  await expect(faults.network.blackhole({ server: 'redis' })).rejects.toThrow('already in mode refuse');
});
