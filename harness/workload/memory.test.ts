import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { residentBytes } from '../environment/process/part.ts';
import { memoryRecorder } from '../record/writer.ts';
import { buildMemory } from '../report/build-figures.ts';
import { watchMemory } from './memory.ts';

const MIB = 2 ** 20;

/** A process that holds so much for itself, and tells when it does. */
async function holding(bytes: number, children = 0): Promise<{ pid: number } & AsyncDisposable> {
  const script = `
    const { spawn } = require('node:child_process');
    globalThis.held = Buffer.alloc(${bytes}, 1);
    const tell = () => console.log('holds');
    if (${children} === 0) tell();
    for (let i = 0; i < ${children}; i++) {
      const code = 'globalThis.held = Buffer.alloc(${bytes}, 1); console.log("holds"); setInterval(() => {}, 1000); process.stdin.resume().on("end", () => process.exit())';
      spawn(process.execPath, ['-e', code], { stdio: ['pipe', 'pipe', 'inherit'] }).stdout.once('data', () => (globalThis.n = (globalThis.n ?? 0) + 1) === ${children} && tell());
    }
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return {
    pid: child.pid ?? 0,
    async [Symbol.asyncDispose]() {
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    },
  };
}

describe.runIf(process.platform === 'linux')('the memory of a process', () => {
  test('is what it holds, with the programs that it runs, of which each has its own', async () => {
    await using one = await holding(64 * MIB);
    await using two = await holding(64 * MIB, 1);
    const [single, both] = await Promise.all([residentBytes(one.pid), residentBytes(two.pid)]);
    expect(single).toBeGreaterThan(64 * MIB);
    expect(single).toBeLessThan(200 * MIB);
    expect((both ?? 0) - (single ?? 0)).toBeGreaterThan(64 * MIB);
    // The program itself, some 50 MiB, is there once.
    expect(both).toBeLessThan(2 * (single ?? 0));
  });

  test('is what the process itself says', async () => {
    const told = await residentBytes(process.pid);
    expect(Math.abs((told ?? 0) - process.memoryUsage.rss())).toBeLessThan(64 * MIB);
  });

  test('is unknown of one that is gone', async () => {
    const gone = await holding(MIB);
    await gone[Symbol.asyncDispose]();
    expect(await residentBytes(gone.pid)).toBeUndefined();
  });
});

test('parts are watched at once, again and again, and once more at the end; who does not answer is left out', async () => {
  const recorder = memoryRecorder();
  let asked = 0;
  const enough = Promise.withResolvers<void>();
  const growing = {
    name: 'redis' as const,
    async memoryBytes() {
      if (++asked === 3) enough.resolve();
      return asked === 2 ? undefined : asked * MIB;
    },
  };
  {
    await using _watch = watchMemory({ parts: [growing, { name: 'admin' }], recorder, everyMs: 5 });
    await enough.promise;
  }
  const sizes = recorder.records.map((record) => (record.type === 'memory' ? record.bytes : {}));
  expect(sizes.map(({ redis }) => redis).slice(0, 3)).toEqual([MIB, undefined, 3 * MIB]);
  expect(sizes.at(-1)?.redis).toBe(asked * MIB);
  for (const { runner, admin } of sizes) {
    expect(runner).toBeGreaterThan(MIB);
    expect(admin).toBeUndefined();
  }
});

test('a report tells what each part had at first, at most and at last, servers first', () => {
  const sample = (at: number, bytes: Record<string, number>) =>
    ({ type: 'memory', case: 'SOAK-01', at, bytes }) as const;
  const built = buildMemory([
    sample(1, { runner: 5, 'query-2': 7, redis: 3 }),
    sample(2, { runner: 9, redis: 2 }),
    sample(3, { runner: 6, 'query-2': 8, query: 1, redis: 1 }),
  ]);
  expect(built.map(({ part }) => part)).toEqual(['redis', 'query', 'query-2', 'runner']);
  expect(built.at(-1)).toEqual({
    case: 'SOAK-01',
    part: 'runner',
    samples: 3,
    startBytes: 5,
    mostBytes: 9,
    mostAt: 2,
    endBytes: 6,
  });
  expect(built[2]).toMatchObject({ samples: 2, startBytes: 7, mostBytes: 8, mostAt: 3, endBytes: 8 });
});
