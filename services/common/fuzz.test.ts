import fc from 'fast-check';
import { Pool } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { OwnEnvironment } from '../../harness/environment/common/environment.ts';
import { startReference } from '../../harness/environment/fixtures/reference.ts';
import { memoryRecorder } from '../../harness/record/writer.ts';
import { clientOf } from '../../suites/runner/client.ts';
import { inParallel } from '../../suites/steps/many.ts';
import { plainRegistration, registerPlain } from '../../suites/steps/registrations.ts';
import { problemSchema } from '../contract/http.ts';
import { SERVICE_NAMES, type ServiceName } from '../contract/names.ts';
import { COLLECTED, type Held, heldBy, LEAKING } from './fixtures/fuzz/growth.ts';
import { type FuzzRequest, type Operation, requestsOf, type Schema } from './fixtures/fuzz/requests.ts';

/** For each operation; `FUZZ_REQUESTS=10000` for a long run. */
const REQUESTS = Number(process.env.FUZZ_REQUESTS ?? 150);
const SEED = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));
const AT_ONCE = 12;
const FILES = 5;
/** A service's answer while a server that it needs is unavailable: on a busy machine, briefly. */
const AWAY = 503;
const AWAY_SHARE_MAX = 0.01;

const GOOD: Readonly<Record<string, () => Record<string, unknown>>> = {
  'POST /api/v1/files': () => ({ ...plainRegistration('fuzz.txt') }),
  'PUT /api/v1/files/{file_id}': () => ({ description: 'fuzz', tags: ['a'], original_filename: 'fuzz-2.txt' }),
  'POST /api/search': () => ({ query: 'fuzz', mode: 'partial', sort_by: 'filename', limit: 10 }),
  'POST /api/v1/auth/token': () => ({ client_id: 'nobody', client_secret: 'nothing' }),
};

/**
 * What may be held more after requests than after the first third of them: caches that fill up, and figures that waver.
 */
const ALLOWED: Readonly<Record<keyof Held, (requests: number) => number>> = {
  heapBytes: (requests) => 4e6 + 200 * requests,
  residentBytes: (requests) => 96e6 + 200 * requests,
  openFiles: () => 8,
};
/** Idle connections between the services are closed, and wrong secrets forgotten, after this time. */
const SETTLED_MS_MAX = 75_000;
const LEAKED = 12_000;

/** What has grown by more than is allowed. */
async function growthOf(url: string, warm: Held, requests: number): Promise<string[]> {
  const held = await heldBy(url);
  return (Object.keys(ALLOWED) as (keyof Held)[])
    .filter((what) => held[what] - warm[what] > ALLOWED[what](requests))
    .map((what) => `${what} grew from ${warm[what]} to ${held[what]}`);
}

/** Statuses given only to requests that passed every check. */
const REACHED: Record<ServiceName, readonly number[]> = {
  admin: [201, 404],
  ingester: [201],
  storage: [201, 404],
  query: [404],
};

let environment: OwnEnvironment;
let ids: string[];
let tokens: [string, ...string[]];

beforeAll(async () => {
  environment = await startReference({
    nodeArguments: Object.fromEntries(SERVICE_NAMES.map((name) => [name, COLLECTED])),
  });
  const options = { recorder: memoryRecorder() };
  await using admin = clientOf(environment, options);
  await using reader = clientOf(environment, { ...options, role: 'READONLY' });
  const all = `Bearer ${await admin.token()}`;
  tokens = [all, all, all, `Bearer ${await reader.token()}`];
  const files = await Promise.all(Array.from({ length: FILES }, (_, i) => registerPlain(admin, `fuzz-${i}.txt`)));
  ids = files.map(({ file_id }) => file_id);
}, 60_000);
afterAll(() => environment?.stop());

interface OpenApi {
  paths: Record<
    string,
    Record<
      string,
      { parameters?: Operation['parameters']; requestBody?: { content?: Record<string, { schema?: Schema }> } }
    >
  >;
}

async function operationsOf(service: ServiceName): Promise<Operation[]> {
  const document = (await (await fetch(`${environment.urls[service]}/openapi.json`)).json()) as OpenApi;
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { parameters = [], requestBody }]): Operation => {
      const body = requestBody?.content?.['application/json']?.schema;
      const takes = path.endsWith('/upload')
        ? 'multipart'
        : method === 'put' && body === undefined
          ? 'bytes'
          : 'nothing';
      const good = GOOD[`${method.toUpperCase()} ${path}`];
      return { method: method.toUpperCase(), path, parameters, body, good, takes: body === undefined ? takes : 'json' };
    }),
  );
}

/** What is wrong with the answer; undefined when nothing is. Its status is counted. */
async function problemOf(pool: Pool, request: FuzzRequest, counts: Map<number, number>): Promise<string | undefined> {
  const { path, body } = request;
  const sent = `${request.method} ${path.slice(0, 300)} ${JSON.stringify(request.headers).slice(0, 300)} ${String(body).slice(0, 300)}`;
  try {
    const answer = await pool.request({ ...request, method: request.method as 'GET', headersTimeout: 20_000 });
    const text = await answer.body.text();
    counts.set(answer.statusCode, (counts.get(answer.statusCode) ?? 0) + 1);
    if (answer.statusCode >= 500 && answer.statusCode !== AWAY)
      return `${answer.statusCode} ${text.slice(0, 200)}: ${sent}`;
    if (answer.statusCode < 400 || request.path.startsWith('/health/')) return undefined;
    const problem = problemSchema.safeParse(JSON.parse(text));
    return problem.success ? undefined : `${answer.statusCode} without problem details: ${text.slice(0, 200)}: ${sent}`;
  } catch (error) {
    return `no answer (${String(error)}): ${sent}`;
  }
}

/** Sends so many requests to each operation, and says what was wrong with the answers: at most three of each. */
async function attack(
  url: string,
  operations: readonly Operation[],
  { numRuns, seed }: { numRuns: number; seed: number },
  counts: Map<number, number>,
): Promise<string[]> {
  const pool = new Pool(url, { connections: AT_ONCE });
  const problems: string[] = [];
  for (const operation of operations) {
    const requests = fc.sample(requestsOf(operation, { ids, tokens }), { numRuns, seed });
    const found = await inParallel(requests, AT_ONCE, (request) => problemOf(pool, request, counts));
    problems.push(...found.filter((problem) => problem !== undefined).slice(0, 3));
  }
  await pool.destroy();
  return problems;
}

describe(`hostile requests (FUZZ_SEED=${SEED})`, () => {
  test.each(SERVICE_NAMES)(
    '%s answers every one, never with 5xx, lives on, and keeps nothing of them',
    { timeout: 3_600_000 },
    async (service) => {
      const url = environment.urls[service];
      const before = await fetch(`${url}/version`).then((answer) => answer.text());
      const operations = await operationsOf(service);
      expect(operations.length).toBeGreaterThan(3);
      const counts = new Map<number, number>();
      const warmUp = Math.ceil(REQUESTS / 3);
      const first = await attack(url, operations, { numRuns: warmUp, seed: SEED }, counts);
      const warm = await heldBy(url);
      const then = await attack(url, operations, { numRuns: REQUESTS - warmUp, seed: SEED + 1 }, counts);
      expect([...first, ...then]).toEqual([]);
      expect((counts.get(AWAY) ?? 0) / (operations.length * REQUESTS)).toBeLessThan(AWAY_SHARE_MAX);
      // Else nothing was reached but the first check.
      for (const status of [200, 400, 401, ...REACHED[service]]) expect([...counts.keys()]).toContain(status);
      const held = await heldBy(url);
      if (process.env.FUZZ_REQUESTS !== undefined) console.log(service, Object.fromEntries(counts), { warm, held });
      await expect
        .poll(() => growthOf(url, warm, operations.length * REQUESTS), { timeout: SETTLED_MS_MAX })
        .toEqual([]);
      expect(await environment.parts[service].running()).toBe(true);
      expect(await fetch(`${url}/version`).then((answer) => answer.text())).toBe(before);
      expect((await environment.parts[service].logs()).includes('"level":"fatal"')).toBe(false);
    },
  );

  test('what keeps something of every request is found out', { timeout: 60_000 }, async () => {
    await using leaking = await startReference({
      deferred: ['admin', 'ingester', 'query'],
      nodeArguments: { storage: LEAKING },
    });
    const url = leaking.urls.storage;
    const send = async (count: number) => {
      const pool = new Pool(url, { connections: AT_ONCE });
      await inParallel(Array.from({ length: count }), AT_ONCE, async () => {
        await (await pool.request({ method: 'GET', path: '/health/live' })).body.dump();
      });
      await pool.destroy();
    };
    await send(LEAKED / 2);
    const warm = await heldBy(url);
    await send(LEAKED);
    expect(await growthOf(url, warm, LEAKED)).toEqual(
      [/^heapBytes /, /^residentBytes /, /^openFiles /].map((what) => expect.stringMatching(what)),
    );
  });
});
