import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { SERVICE_NAMES } from '../../../services/contract/names.ts';
import { pollUntil } from '../../core/time.ts';
import { memoryRecorder } from '../../record/writer.ts';
import type { EnvironmentOptions, RedisAddress } from '../common/environment.ts';
import { MARK_VARIABLE, type Marker } from '../leftovers/marker.ts';
import { processesOf, sweep } from '../leftovers/remove.ts';
import { cachePath } from '../process/cache.ts';
import { connectError } from '../process/probes.ts';
import { findProcess, markedProcesses } from '../process/table.ts';
import { startProcesses } from './environment.ts';

/** Redis and PostgreSQL only: what is tested here needs no service. */
const serversOnly = (): EnvironmentOptions => ({
  kind: 'processes',
  profile: 'default',
  recorder: memoryRecorder(),
  deferred: SERVICE_NAMES,
});

/** Logs in, sends one inline command and gives what comes back first. */
async function redis({ host, port, password }: RedisAddress, command: string): Promise<string> {
  const socket = connect({ host, port });
  socket.write(`AUTH ${password}\r\n`);
  await once(socket, 'data');
  socket.write(`${command}\r\n`);
  const [answer] = await once(socket, 'data');
  socket.destroy();
  return String(answer).trim();
}

const marked = (id: string): number[] => markedProcesses(`${MARK_VARIABLE}=${id}`, []);

test('killed servers come back at their address with their data; a wipe loses it', async () => {
  await using environment = await startProcesses(serversOnly());
  const { parts } = environment;
  const address = environment.redisAddress();
  expect(environment.versions).toMatchObject({
    postgres: expect.stringMatching(/^\d+/),
    redis: expect.stringMatching(/^\d+/),
  });
  expect(await redis(address, 'SET colour green')).toBe('+OK');
  // An orderly end writes the log out; what a kill may lose is up to a second of it.
  expect(await parts.redis.stop()).toMatchObject({ exitCode: 0 });
  expect(await connectError(address)).toBe('ECONNREFUSED');
  await parts.redis.start();
  expect(await redis(address, 'GET colour')).toContain('green');
  await parts.redis.kill();
  expect(await parts.redis.running()).toBe(false);
  await parts.redis.wipe();
  await parts.redis.start();
  expect(await redis(address, 'GET colour')).toBe('$-1');
  await parts.postgres.kill();
  await parts.postgres.start();
  expect(await parts.postgres.logs()).toContain('automatic recovery in progress');
  await expect(parts.admin.wipe()).rejects.toThrow('no data');
});

test('through every link the server is reached', async () => {
  await using environment = await startProcesses(serversOnly());
  expect(environment.links.map(({ client, server }) => `${client}→${server}`).sort()).toEqual([
    'admin→postgres',
    'admin→redis',
    'query→postgres',
    'query→redis',
  ]);
  for (const { proxy } of environment.links.filter(({ server }) => server === 'redis')) {
    expect(await redis({ ...environment.redisAddress(), host: proxy.host, port: proxy.port }, 'PING')).toBe('+PONG');
  }
});

test('stop leaves no process, no folder and no port, and may be called twice', async () => {
  const environment = await startProcesses(serversOnly());
  expect(marked(environment.id).length).toBeGreaterThan(0);
  const ports = [environment.redisAddress(), ...environment.links.map(({ proxy }) => proxy)];
  await Promise.all([environment.stop(), environment.stop()]);
  expect(marked(environment.id)).toEqual([]);
  expect(existsSync(environment.logDirectory)).toBe(false);
  for (const address of ports) expect(await connectError(address)).toBe('ECONNREFUSED');
});

test('an abort during the start, or later, leaves nothing', async () => {
  for (const when of ['part-ready', 'ready']) {
    const abort = new AbortController();
    const recorder = memoryRecorder();
    let id = '';
    const starting = startProcesses({
      ...serversOnly(),
      signal: abort.signal,
      recorder: {
        ...recorder,
        record(entry) {
          recorder.record(entry);
          if (entry.type !== 'environment') return;
          id = entry.environmentId;
          if (entry.status === when) setImmediate(() => abort.abort(new Error('enough')));
        },
      },
    });
    const outcome = await starting.catch((error: unknown) => error);
    if (when === 'part-ready') expect(outcome).toMatchObject({ message: 'enough' });
    await pollUntil(() => marked(id).length === 0 || undefined, { what: 'no process', timeoutMs: 5000 });
    await pollUntil(() => !existsSync(`/dev/shm/syncproof-${id}`) || undefined, { what: 'no folder', timeoutMs: 5000 });
  }
});

/** Runs an environment in a process of its own and gives what it owns. */
async function startElsewhere(): Promise<{ kill: () => Promise<void>; marker: Marker }> {
  const script = fileURLToPath(new URL('../fixtures/environment-child.ts', import.meta.url));
  const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  return {
    marker: JSON.parse(String(line)),
    async kill() {
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

const gone = (marker: Marker): Promise<true> =>
  pollUntil(
    async () => {
      const nothing = (await processesOf(marker)).length === 0 && !marker.folders.some((folder) => existsSync(folder));
      return nothing || undefined;
    },
    { what: 'everything to be gone', timeoutMs: 10_000 },
  );

test('kill -9 of the harness leaves nothing: the watchdog clears up', async () => {
  const { marker, kill } = await startElsewhere();
  expect((await processesOf(marker)).length).toBeGreaterThan(2);
  await kill();
  await gone(marker);
  const { watchdog } = marker;
  await pollUntil(() => findProcess(watchdog?.pid ?? 0) === undefined || undefined, {
    what: 'no watchdog',
    timeoutMs: 5000,
  });
});

test('kill -9 of the watchdog and the harness: the next start clears up', async () => {
  const { marker, kill } = await startElsewhere();
  process.kill(marker.watchdog?.pid ?? 0, 'SIGKILL');
  await kill();
  // Another test's start may sweep at the same moment; the result counts, not who did it.
  await sweep();
  await gone(marker);
});

test.each([
  ['half written', '{"id":"e0'],
  ['of another shape', 'null'],
  ['missing', undefined],
])('a marker that is %s hinders no sweep, and its folder goes once it is old', async (_, text) => {
  const name = (): string => `e${Math.random().toString(16).slice(2).padEnd(10, '0').slice(0, 10)}`;
  const [old, fresh] = [name(), name()].map((id) => cachePath('environments', id)) as [string, string];
  onTestFinished(() => rm(fresh, { recursive: true, force: true }));
  for (const home of [old, fresh]) {
    await mkdir(home, { recursive: true });
    if (text !== undefined) await writeFile(join(home, 'environment.json'), text);
  }
  const past = Date.now() / 1000 - 120;
  await utimes(old, past, past);
  await sweep();
  await pollUntil(() => !existsSync(old) || undefined, { what: 'the old folder to be gone', timeoutMs: 5000 });
  expect(existsSync(fresh)).toBe(true);
});

test("a person's shell in an environment's folder is none of its processes", async () => {
  const folder = await mkdtemp(join(tmpdir(), 'syncproof-bystander-'));
  const bystanders = [
    spawn('/bin/sh', ['-c', 'read -r line'], { cwd: folder }),
    spawn(process.execPath, ['-e', 'process.stdin.resume()'], { cwd: folder }),
  ];
  onTestFinished(async () => {
    for (const child of bystanders) child.kill('SIGKILL');
    await rm(folder, { recursive: true });
  });
  const found = await pollUntil(
    () => {
      const pids = markedProcesses(`${MARK_VARIABLE}=none`, [folder]);
      return pids.length > 0 ? pids : undefined;
    },
    { what: 'a program of a part to be found', timeoutMs: 5000 },
  );
  expect(found).toEqual([bystanders[1]?.pid]);
});
