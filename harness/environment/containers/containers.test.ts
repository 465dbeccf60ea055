import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { uploadAnswerSchema } from '../../../services/contract/http.ts';
import { SERVICE_NAMES } from '../../../services/contract/names.ts';
import { createPipelineClient, type PipelineClient } from '../../clients/pipeline.ts';
import { pollUntil } from '../../core/time.ts';
import { createFaults } from '../../faults/faults.ts';
import { memoryRecorder } from '../../record/writer.ts';
import { bridgeGateway, containersOf } from '../common/docker.ts';
import type { EnvironmentOptions } from '../common/environment.ts';
import type { Marker } from '../leftovers/marker.ts';
import { sweep } from '../leftovers/remove.ts';
import { connectError, pingPostgres, pingRedis } from '../process/probes.ts';
import { containersAvailable, startContainers } from './environment.ts';

const { available, reason } = await containersAvailable();
const TIMEOUT_MS = 90_000;

const options = (more: Partial<EnvironmentOptions> = {}): EnvironmentOptions => ({
  kind: 'containers',
  profile: 'default',
  recorder: memoryRecorder(),
  ...more,
});

const serversOnly = (): EnvironmentOptions => options({ deferred: SERVICE_NAMES });

/** Uploads a file and gives its id. */
async function upload(client: PipelineClient, filename: string): Promise<string> {
  const answer = await client.upload({ filename, content: Buffer.from(`content of ${filename}`) });
  expect(answer).toMatchObject({ outcome: 'ok', status: 201 });
  return uploadAnswerSchema.parse(answer.body).file_id;
}

const visible = (client: PipelineClient, fileId: string): Promise<true> =>
  pollUntil(async () => (await client.searchById(fileId)).status === 200 || undefined, {
    what: `${fileId} to be searchable`,
    timeoutMs: 15_000,
  });

async function startElsewhere(): Promise<{ kill: () => Promise<void>; marker: Marker }> {
  const script = fileURLToPath(new URL('../fixtures/containers-child.ts', import.meta.url));
  const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit').then(([code]) => {
    throw new Error(`The child exited with ${code}`);
  });
  const [line] = await Promise.race([once(createInterface({ input: child.stdout }), 'line'), exited]);
  return {
    marker: JSON.parse(String(line)),
    async kill() {
      child.kill('SIGKILL');
      await expect(exited).rejects.toThrow();
    },
  };
}

const gone = (marker: Marker): Promise<true> =>
  pollUntil(
    async () => {
      const left = await containersOf(marker.id);
      return (left.length === 0 && !marker.folders.some((folder) => existsSync(folder))) || undefined;
    },
    { what: 'containers and folders to be gone', timeoutMs: 20_000 },
  );

describe("the bridge's own address", () => {
  test.each([
    ['is what the daemon tells', [{ Subnet: '172.17.0.0/16', Gateway: '172.17.0.9' }], '172.17.0.9'],
    ['is the first of its subnet where the daemon does not tell', [{ Subnet: '10.1.2.128/25' }], '10.1.2.129'],
    ['is never of version 6', [{ Subnet: 'fd00::/64', Gateway: 'fd00::1' }, { Subnet: '172.17.0.0/16' }], '172.17.0.1'],
    ['is unknown without a subnet', [{}], undefined],
  ])('%s', (_what, pools, address) => expect(bridgeGateway(pools)).toBe(address));
});

describe.skipIf(!available)(`containers${available ? '' : ` (skipped: ${reason})`}`, { timeout: TIMEOUT_MS }, () => {
  test('a file becomes searchable, also one uploaded while Redis is killed, and services come back where they were', async () => {
    const recorder = memoryRecorder();
    await using environment = await startContainers(options({ recorder }));
    expect(environment.versions).toMatchObject({
      redis: expect.stringMatching(/^\d/),
      postgres: expect.stringMatching(/^\d/),
      node: expect.stringMatching(/^\d/),
    });
    await using client = createPipelineClient({ ...environment, recorder });
    await visible(client, await upload(client, 'before.txt'));
    const faults = createFaults(environment, recorder);
    let during: string;
    {
      await using _killed = await faults.redis.kill();
      during = await upload(client, 'during.txt');
    }
    await visible(client, during);
    for (const begin of [faults.query.kill, faults.query.pause, faults.query.stop]) {
      await using _fault = await begin();
    }
    await visible(client, await upload(client, 'after.txt'));
    const logs = await environment.parts.admin.logs();
    expect(logs).toContain('listening');
    expect(logs).not.toContain(environment.accounts.ADMIN.clientSecret);
  });

  test('killed, paused and stopped servers come back at their address with their data; a wipe loses it', async () => {
    await using environment = await startContainers(serversOnly());
    const { redis, postgres, admin } = environment.parts;
    const address = environment.redisAddress();
    await redis.kill();
    expect(await redis.running()).toBe(false);
    expect(await connectError(address)).toBe('ECONNREFUSED');
    await redis.start();
    expect(await redis.stop()).toMatchObject({ exitCode: 0 });
    await redis.wipe();
    await redis.start();
    await redis.pause();
    expect(await redis.running()).toBe(true);
    await expect(pingRedis(address, 300)).rejects.toThrow('no answer');
    await redis.resume();
    await pingRedis(address);
    for (const { proxy, server } of environment.links) {
      const through = { host: proxy.host, port: proxy.port };
      await (server === 'redis' ? pingRedis({ ...address, ...through }) : pingPostgres(through));
    }
    await postgres.kill();
    await postgres.start();
    expect(await postgres.logs()).toContain('automatic recovery in progress');
    await expect(admin.wipe()).rejects.toThrow('no data');
    await expect(admin.pause()).rejects.toThrow('not running');
  });

  test('stop leaves no container, no folder and no port, and may be called twice', async () => {
    const environment = await startContainers(serversOnly());
    expect(await containersOf(environment.id)).toHaveLength(2);
    const ports = [environment.redisAddress(), ...environment.links.map(({ proxy }) => proxy)];
    await Promise.all([environment.stop(), environment.stop()]);
    expect(await containersOf(environment.id)).toEqual([]);
    expect(existsSync(environment.logDirectory)).toBe(false);
    for (const address of ports) expect(await connectError(address)).toBe('ECONNREFUSED');
  });

  test('a service that cannot start fails the start with its own words, and nothing remains', async () => {
    const recorder = memoryRecorder();
    const starting = startContainers(
      options({
        recorder,
        deferred: ['redis', 'postgres', 'admin', 'ingester', 'query'],
        settings: { storage: { LOG_LEVEL: 'loud' } },
      }),
    );
    await expect(starting).rejects.toThrow(/storage did not start.*Expected LOG_LEVEL to be one of/s);
    const [first] = recorder.records;
    expect(await containersOf(first?.type === 'environment' ? first.environmentId : '')).toEqual([]);
  });

  test('kill -9 of the harness leaves nothing: the watchdog removes the containers', async () => {
    const { marker, kill } = await startElsewhere();
    expect(await containersOf(marker.id)).toHaveLength(2);
    await kill();
    await gone(marker);
  });

  test('kill -9 of the watchdog and the harness: the next start removes the containers', async () => {
    const { marker, kill } = await startElsewhere();
    process.kill(marker.watchdog?.pid ?? 0, 'SIGKILL');
    await kill();
    await sweep();
    await gone(marker);
  });
});
