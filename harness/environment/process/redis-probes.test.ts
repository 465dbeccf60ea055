import { expect, test } from 'vitest';
import { SERVICE_NAMES } from '../../../services/contract/names.ts';
import { connectRedis } from '../../clients/servers.ts';
import { createFaults } from '../../faults/faults.ts';
import { memoryRecorder } from '../../record/writer.ts';
import { startReference } from '../fixtures/reference.ts';
import { pingRedis, redisServerInfo } from './probes.ts';

/** With what a protocol of lines and words might trip over. */
const PASSWORD = 'pass word:\r\n"quoted" ü/@';

test('a Redis that wants a password is asked with it', async () => {
  const recorder = memoryRecorder();
  const deferred = [...SERVICE_NAMES, 'postgres'] as const;
  await using environment = await startReference({ recorder, deferred });
  const { host, port, password } = environment.redisAddress();
  const open = { host, port };
  const locked = { ...open, password: PASSWORD };
  const redis = connectRedis({ ...open, password });
  await redis.config('SET', 'requirepass', PASSWORD);
  redis.disconnect();

  await pingRedis(locked);
  await pingRedis({ ...locked, username: 'default' });
  expect((await redisServerInfo(locked)).run_id).toMatch(/^[0-9a-f]{40}$/);
  await expect(pingRedis(open)).rejects.toThrow('NOAUTH');
  await expect(pingRedis({ ...open, password: 'another' })).rejects.toThrow('NOAUTH');

  // Faults are witnessed in the same way.
  const faults = createFaults({ ...environment, redisAddress: () => locked }, recorder);
  await using paused = await faults.redis.pause();
  await paused.heal();
  await pingRedis(locked);
});

test('a password that none is needed for does no harm', async () => {
  const recorder = memoryRecorder();
  const deferred = [...SERVICE_NAMES, 'postgres'] as const;
  await using environment = await startReference({ recorder, deferred });
  const redis = connectRedis(environment.redisAddress());
  await redis.acl('SETUSER', 'default', 'nopass');
  redis.disconnect();
  await pingRedis({ ...environment.redisAddress(), password: PASSWORD });
});
