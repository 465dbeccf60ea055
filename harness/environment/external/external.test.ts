import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { hitOf, type LocalRequest, startLocalTarget } from '../../../suites/honesty/local-target.ts';
import { mappingDriver } from '../../clients/mapping.ts';
import { createPipelineClient } from '../../clients/pipeline.ts';
import type { ControlHooks, Target } from '../../config/target.ts';
import { DeadlineError, describeError, InconclusiveError } from '../../core/errors.ts';
import { pollUntil } from '../../core/time.ts';
import { memoryRecorder } from '../../record/writer.ts';
import { connectError } from '../process/probes.ts';
import { loadDriver } from './driver.ts';
import { commandsOf } from './hooks.ts';
import { ExternalPart, furtherInstances } from './part.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncproof-external-test-'));
afterAll(() => rmSync(folder, { recursive: true }));

const hooks = (given: Partial<ControlHooks>): ControlHooks => ({ timeout_s: 30, ...given });

describe('hooks', () => {
  test('by the name of a container', () => {
    expect(commandsOf(hooks({ docker: "it's" }))).toMatchObject({
      kill: "docker kill 'it'\\''s'",
      resume: "docker unpause 'it'\\''s'",
    });
  });

  test('by a service of docker compose', () => {
    expect(commandsOf(hooks({ compose: { file: 'a b.yaml', service: 'query', project: 'p' } }))).toMatchObject({
      kill: "docker compose -f 'a b.yaml' -p 'p' kill 'query'",
      start: "docker compose -f 'a b.yaml' -p 'p' start 'query'",
    });
  });

  test('by a workload of Kubernetes, which cannot be paused', () => {
    const commands = commandsOf(hooks({ kubectl: { workload: 'deployment/q', namespace: 'n', replicas: 3 } }));
    expect(commands.start).toBe(
      "kubectl -n 'n' scale 'deployment/q' --replicas=3 && kubectl -n 'n' rollout status 'deployment/q'",
    );
    expect(commands.kill).toMatch(/--replicas=0 && .*--force --grace-period=0/);
    expect(commands.pause).toBeUndefined();
  });

  test('a command of its own replaces one of those', () => {
    expect(commandsOf(hooks({ docker: 'a', stop: 'mine' }))).toMatchObject({ stop: 'mine', kill: "docker kill 'a'" });
  });
});

/** A server that answers every connection, started and ended by plain commands. */
const SERVER =
  "require('node:net').createServer((socket) => socket.on('error', () => {}).end('hello')).listen(Number(process.argv[1]), '127.0.0.1')";

interface Daemon {
  part: ExternalPart;
  up: () => Promise<boolean>;
  pidFile: string;
}

/** One without a listener now. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function daemonWith(changed: Partial<ControlHooks> = {}, timeoutMs = 5000): Promise<Daemon> {
  const port = await freePort();
  const pidFile = join(folder, `${port}.pid`);
  const start = `${process.execPath} -e "${SERVER}" ${port} > /dev/null 2>&1 & echo $! > ${pidFile}`;
  const signal = (name: string): string => `kill -s ${name} $(cat ${pidFile})`;
  const commands = commandsOf(
    hooks({
      start,
      kill: signal('KILL'),
      stop: signal('TERM'),
      pause: signal('STOP'),
      resume: signal('CONT'),
      ...changed,
    }),
  );
  const address = { host: '127.0.0.1', port };
  const up = async (): Promise<boolean> => (await connectError(address)) === undefined;
  const part = new ExternalPart({
    name: 'query',
    commands,
    address,
    cwd: folder,
    timeoutMs,
    commandEndsMs: 1000,
    secrets: [SECRET],
    probe: async () => {
      const error = await connectError(address);
      if (error !== undefined) throw new Error(error);
    },
  });
  spawn('/bin/sh', ['-c', start], { stdio: 'ignore' });
  await pollUntil(async () => (await up()) || undefined, { what: 'the daemon', timeoutMs: 5000 });
  const first = readFileSync(pidFile, 'utf8');
  onTestFinished(async () => {
    // Else the watcher of a part that was not put back would start it after the test.
    await part.restore().catch(() => {});
    // One that was never ended was started a second time to no effect, and the file names that one.
    for (const pid of new Set([first, readFileSync(pidFile, 'utf8')])) {
      try {
        process.kill(Number(pid), 'SIGKILL');
      } catch {
        // It is gone already.
      }
    }
  });
  return { part, up, pidFile };
}

const SECRET = 'a-secret-that-nobody-may-see';

const stateOf = (pid: number): string => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.[0] ?? '';

describe('a component of an external pipeline', () => {
  test('is killed, stopped and started by its commands, each seen from outside', async () => {
    const { part, up } = await daemonWith();
    for (const verb of ['kill', 'stop'] as const) {
      await part[verb]();
      expect([await part.running(), await up()]).toEqual([false, false]);
      await part.start();
      expect([await part.running(), await up()]).toEqual([true, true]);
    }
  });

  test('is put back when the environment ends, whatever was done to it', async () => {
    const { part, up } = await daemonWith();
    await part.kill();
    await part.restore();
    expect(await up()).toBe(true);
    await part.pause();
    await part.restore();
    await part.restore();
    expect(await up()).toBe(true);
  });

  test('whose command fails says which, and what it printed', async () => {
    const { part, up, pidFile } = await daemonWith({ kill: 'echo no such thing >&2; exit 3' });
    const error = await part.kill().catch(describeError);
    expect(error).toMatch(/to kill query.*ended with 3.*no such thing/);
    const before = readFileSync(pidFile, 'utf8');
    await part.restore();
    // It was never down: a second one beside it would only take its place in the file.
    expect([await up(), readFileSync(pidFile, 'utf8')]).toEqual([true, before]);
  });

  test('whose command holds or prints a secret is told of without it', async () => {
    const { part } = await daemonWith({ kill: `echo got ${SECRET} >&2; exit 3` });
    const error = await part.kill().catch(describeError);
    expect(error).toMatch(/echo got \*\*\*.*got \*\*\*/);
    expect(error).not.toContain(SECRET);
  });

  test('whose command does not end is not waited for for ever', async () => {
    const { part } = await daemonWith({ kill: 'sleep 600' }, 300);
    expect(await part.kill().catch(describeError)).toMatch(/did not end within 300 ms/);
  });

  test('whose command ends well and does nothing is not taken as down', async () => {
    const { part } = await daemonWith({ kill: 'true' }, 300);
    expect(await part.kill().catch(describeError)).toMatch(/query to be gone after kill/);
  });

  test('that does not end when it is asked to is killed, and that is told', async () => {
    const { part, up } = await daemonWith({ stop: 'true' });
    expect(await part.stop(300).catch((error: unknown) => error)).toBeInstanceOf(DeadlineError);
    expect(await up()).toBe(false);
    await part.restore();
    expect(await up()).toBe(true);
  });

  /** Has a process of its own kill a part with this command, and die; resolves when the part is put back. */
  async function killedBy(command: string, meanwhile: (harness: ChildProcess) => Promise<void>): Promise<void> {
    const mark = join(folder, `${await freePort()}.back`);
    const script = `${mark}.ts`;
    const module = new URL('./part.ts', import.meta.url).href;
    writeFileSync(
      script,
      `import { ExternalPart } from ${JSON.stringify(module)};
       const part = new ExternalPart({ name: 'query', address: undefined, cwd: '/', timeoutMs: 60_000, secrets: [], probe: async () => {},
         commands: { kill: ${JSON.stringify(command)}, stop: 'true', start: ${JSON.stringify(`echo back > ${mark}`)} } });
       await part.kill();
       process.kill(process.pid, 'SIGKILL');`,
    );
    const harness = spawn(process.execPath, [script], { stdio: 'ignore' });
    await meanwhile(harness);
    if (harness.exitCode === null && harness.signalCode === null) await once(harness, 'exit');
    const back = async (): Promise<true | undefined> =>
      existsSync(mark) && readFileSync(mark, 'utf8') === 'back\n' ? true : undefined;
    await pollUntil(back, { what: 'the part to be put back', timeoutMs: 5000 });
  }

  test('is put back although the harness was killed', () => killedBy('true', async () => {}));

  test('is put back although the harness was killed while a command was at work, which is ended', async () => {
    const at = join(folder, 'orphaned.pid');
    let pid = 0;
    await killedBy(`echo $$ > ${at}; sleep 600; true`, async (harness) => {
      pid = await pollUntil(async () => Number(readFileSync(at, 'utf8')) || undefined, {
        what: 'the command to be at work',
        timeoutMs: 5000,
      });
      harness.kill('SIGKILL');
    });
    await pollUntil(() => (existsSync(`/proc/${pid}`) ? undefined : true), { what: 'its end', timeoutMs: 5000 });
  });

  test('is put back after a command that is still at work was ended: it would break the part again', async () => {
    const at = join(folder, 'at-work.pid');
    const { part, up } = await daemonWith({ kill: `echo $$ > ${at}; sleep 600; true` });
    const killing = part.kill().catch(describeError);
    const pid = await pollUntil(async () => Number(readFileSync(at, 'utf8')) || undefined, {
      what: 'the command to be at work',
      timeoutMs: 5000,
    });
    await part.restore();
    expect(await killing).toMatch(/was ended, to restore the component/);
    await pollUntil(() => (existsSync(`/proc/${pid}`) ? undefined : true), { what: 'its end', timeoutMs: 5000 });
    expect(await up()).toBe(true);
  });

  test('is put back once the command that is still at work has come to its end', async () => {
    const at = join(folder, 'soon.pid');
    const pidOf = join(folder, 'soon');
    const { part, up, pidFile } = await daemonWith({
      kill: `echo $$ > ${at}; sleep 0.3; kill -s KILL $(cat ${pidOf})`,
    });
    copyFileSync(pidFile, pidOf);
    const killing = part.kill();
    await pollUntil(() => existsSync(at) || undefined, { what: 'the command to be at work', timeoutMs: 5000 });
    await part.restore();
    await killing.catch(() => {});
    expect(await up()).toBe(true);
  });

  test('that cannot be put back is said to be left broken', async () => {
    const { part } = await daemonWith({ start: 'echo cannot >&2; exit 7' });
    await part.kill();
    const error = await part.restore().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(InconclusiveError);
    expect(describeError(error)).toMatch(/query could not be restored, and is left down.*ended with 7: cannot/);
  });

  test('is suspended while it is paused', async () => {
    const { part, pidFile } = await daemonWith();
    const pid = Number(readFileSync(pidFile, 'utf8'));
    await part.pause();
    await pollUntil(() => stateOf(pid) === 'T' || undefined, { what: 'the process to be suspended', timeoutMs: 5000 });
    await part.resume();
    expect(stateOf(pid)).not.toBe('T');
  });
});

describe('further instances', () => {
  const HTTP =
    "require('node:http').createServer((_, answer) => answer.end()).listen(Number(process.argv[1]), '127.0.0.1')";

  async function further(count: number) {
    const urls: string[] = [];
    const more: { url: string; start: string; stop: string; kill: string; timeout_s: number }[] = [];
    for (let i = 0; i < count; i++) {
      const port = await freePort();
      const pidFile = join(folder, `${port}.pid`);
      const [stop, kill] = ['TERM', 'KILL'].map((name) => `kill -s ${name} $(cat ${pidFile})`);
      const start = `${process.execPath} -e "${HTTP}" ${port} > /dev/null 2>&1 & echo $! > ${pidFile}`;
      more.push({ url: `http://127.0.0.1:${port}/`, start, stop: stop ?? '', kill: kill ?? '', timeout_s: 10 });
      urls.push(`http://127.0.0.1:${port}`);
    }
    const target = {
      file: join(folder, 'target.yaml'),
      secrets: [],
      services: { query: { url: 'http://127.0.0.1:1', more } },
    };
    return { urls, instances: furtherInstances(target as unknown as Target) };
  }
  const answers = (url: string): Promise<boolean> =>
    fetch(url).then(
      () => true,
      () => false,
    );

  test('run from when they are asked for until they are given back, and no longer than their environment', async () => {
    const { urls, instances } = await further(2);
    expect(await Promise.all(urls.map(answers))).toEqual([false, false]);
    {
      await using first = await instances.start('query');
      expect([first.name, first.url, await answers(first.url)]).toEqual(['query-2', urls[0], true]);
      const second = await instances.start('query');
      expect([second.name, second.url]).toEqual(['query-3', urls[1]]);
      await expect(instances.start('query')).rejects.toThrow('no more instances of query');
    }
    expect(await Promise.all(urls.map(answers))).toEqual([false, true]);
    expect((await instances.start('query')).url).toBe(urls[0]);
    await instances[Symbol.asyncDispose]();
    expect(await Promise.all(urls.map(answers))).toEqual([false, false]);
  });

  test('that were killed are not started again to be given back', async () => {
    const { urls, instances } = await further(1);
    const instance = await instances.start('query');
    await instance.part.kill();
    expect(await answers(urls[0] ?? '')).toBe(false);
    await instance[Symbol.asyncDispose]();
    await instances[Symbol.asyncDispose]();
    expect(await answers(urls[0] ?? '')).toBe(false);
  });
});

describe('a mapping', () => {
  const seen: LocalRequest[] = [];
  let target: Awaited<ReturnType<typeof startLocalTarget>>;
  beforeAll(async () => {
    target = await startLocalTarget((request) => {
      seen.push(request);
      const { method, path } = request;
      if (path === '/v2/find') {
        return {
          status: 202,
          body: {
            hits: [{ ...hitOf('f1'), filename: undefined, name: 'a.txt' }],
            total: 1,
            limit: 1,
            offset: 0,
            has_more: false,
          },
        };
      }
      if (path.startsWith('/v2/files/f1/entry') && method === 'POST') return { status: 204 };
      return { status: 404, body: {} };
    });
  });
  afterAll(() => target[Symbol.asyncDispose]());

  test('renames paths, methods, fields and statuses, and nothing else', async () => {
    const account = { clientId: 'a', clientSecret: 'b' };
    const mapping = mappingDriver({
      'POST /api/search': {
        path: '/v2/find',
        request: { query: 'q' },
        response: { results: 'hits', total_count: 'total', filename: 'name' },
        status: { 202: 200 },
      },
      'DELETE /api/v1/files/{id}': { method: 'POST', path: '/v2/files/{id}/entry', status: { 204: 200 } },
    });
    await using pipeline = createPipelineClient({
      urls: { admin: target.url, query: target.url },
      accounts: { ADMIN: account },
      recorder: memoryRecorder(),
      drivers: [mapping],
    });
    const found = await pipeline.search({ query: 'a.txt', mode: 'exact', limit: 1 });
    expect(found.status).toBe(200);
    expect(found.body).toMatchObject({ results: [{ id: 'f1', filename: 'a.txt' }], total_count: 1 });
    expect((await pipeline.remove('f1')).status).toBe(200);
    expect(seen.map(({ method, path }) => `${method} ${path}`)).toEqual(['POST /v2/find', 'POST /v2/files/f1/entry']);
    expect(JSON.parse(String(seen[0]?.body))).toMatchObject({ q: 'a.txt', mode: 'exact' });
  });

  test('stands behind a driver, which may answer by itself', async () => {
    const account = { clientId: 'a', clientSecret: 'b' };
    await using pipeline = createPipelineClient({
      urls: { admin: target.url, query: target.url },
      accounts: { ADMIN: account },
      recorder: memoryRecorder(),
      drivers: [
        {
          async send(call, next) {
            if (!call.path.startsWith('/health')) return next(call);
            return {
              status: 200,
              headers: { 'content-type': 'application/json' },
              body: Buffer.from('{"status":"ok"}'),
            };
          },
        },
        mappingDriver({}),
      ],
    });
    expect((await pipeline.live('query')).status).toBe(200);
    expect((await pipeline.searchById('f1')).status).toBe(404);
  });
});

describe('a driver of the target', () => {
  const call = (signal: AbortSignal) => ({
    service: 'query' as const,
    method: 'GET',
    path: '/health/live',
    body: null,
    signal,
    headers: { authorization: `Bearer ${SECRET}-token` },
  });
  const nobody = () => Promise.reject(new Error('nobody is there'));
  const driverWith = (body: string) => {
    const path = join(folder, `${Math.random().toString(16).slice(2)}.ts`);
    writeFileSync(path, `export default { ${body} };`);
    return loadDriver(path, [SECRET]);
  };

  test('that never answers is given up at the deadline, also when nothing else keeps the process alive', async () => {
    const driver = await driverWith('send: () => new Promise(() => {})');
    await expect(driver.send(call(AbortSignal.timeout(50)), nobody)).rejects.toThrow(/timeout/);
    const module = JSON.stringify(new URL('./driver.ts', import.meta.url).href);
    writeFileSync(join(folder, 'silent.ts'), 'export default { send: () => new Promise(() => {}) };');
    const script = `const { loadDriver } = await import(${module});
      const driver = await loadDriver(${JSON.stringify(join(folder, 'silent.ts'))}, []);
      await driver.send({ headers: {}, signal: AbortSignal.timeout(50) }).catch(() => {});`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'ignore' });
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  test('that throws secrets is told of without them; other errors pass as they are', async () => {
    const { signal } = new AbortController();
    const telling = await driverWith(
      'send: async ({ headers }) => { throw new Error("no: " + headers.authorization) }',
    );
    const error: unknown = await telling.send(call(signal), nobody).catch((thrown: unknown) => thrown);
    expect(describeError(error)).toBe('no: Bearer ***');
    const passing = await driverWith('send: (call, next) => next(call)');
    await expect(passing.send(call(signal), nobody)).rejects.toThrow('nobody is there');
  });

  test('that is none is refused', async () => {
    await expect(driverWith('answer: 1')).rejects.toThrow(/function send/);
    await expect(loadDriver(join(folder, 'absent.ts'), [])).rejects.toThrow(/module that can be loaded/);
  });
});
