import { afterAll, beforeAll, expect, test } from 'vitest';
import { SERVICE_NAMES } from '../../harness/contract/names.ts';
import { InconclusiveError } from '../../harness/core/errors.ts';
import type { Environment } from '../../harness/environment/environment.ts';
import { pingRedis } from '../../harness/environment/process/probes.ts';
import { startProcesses } from '../../harness/environment/processes.ts';
import type { Fault } from '../../harness/faults/fault.ts';
import { createFaults, type Faults } from '../../harness/faults/faults.ts';
import type { FaultChanged } from '../../harness/record/history.ts';
import { memoryRecorder } from '../../harness/record/writer.ts';

const recorder = memoryRecorder();
let environment: Environment;
let faults: Faults;

beforeAll(async () => {
  environment = await startProcesses({ kind: 'processes', profile: 'default', recorder, deferred: SERVICE_NAMES });
  faults = createFaults(environment, recorder);
});
afterAll(() => environment.stop());

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
  {
    kind: 'redis-blackholed',
    start: () => faults.network.blackhole({ client: 'query', server: 'redis' }),
    witness: /^query→redis .* 6 bytes swallowed$/,
  },
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

test('a restart that loses the data is seen by a new run id', async () => {
  await using fault = await faults.redis.restart({ data: 'lose' });
  expect(recordsOf(fault.id).at(-1)?.witness).toMatch(/PONG, run_id \w{8} → \w{8}/);
});

test('a fault that nobody can see is inconclusive, and undone', async () => {
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
