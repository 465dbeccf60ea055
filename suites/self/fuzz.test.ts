import fc from 'fast-check';
import { Pool } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { problemSchema } from '../../harness/contract/http.ts';
import { SERVICE_NAMES, type ServiceName } from '../../harness/contract/names.ts';
import type { OwnEnvironment } from '../../harness/environment/environment.ts';
import { startProcesses } from '../../harness/environment/processes.ts';
import { memoryRecorder } from '../../harness/record/writer.ts';
import { clientOf } from '../support/client.ts';
import { inParallel } from '../support/parallel.ts';
import { plainRegistration, registerPlain } from '../support/registrations.ts';
import { type FuzzRequest, type Operation, requestsOf, type Schema } from './fuzz/requests.ts';

/** For each operation; `FUZZ_REQUESTS=10000` for a long look. */
const REQUESTS = Number(process.env.FUZZ_REQUESTS ?? 150);
const SEED = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));
const AT_ONCE = 12;
const FILES = 5;
/** What a service answers while a server that it needs is not there: on a busy machine, for a moment. */
const AWAY = 503;
const AWAY_SHARE_MAX = 0.01;

const GOOD: Readonly<Record<string, () => Record<string, unknown>>> = {
  'POST /api/v1/files': () => ({ ...plainRegistration('fuzz.txt') }),
  'PUT /api/v1/files/{file_id}': () => ({ description: 'fuzz', tags: ['a'], original_filename: 'fuzz-2.txt' }),
  'POST /api/search': () => ({ query: 'fuzz', mode: 'partial', sort_by: 'filename', limit: 10 }),
  'POST /api/v1/auth/token': () => ({ client_id: 'nobody', client_secret: 'nothing' }),
};

/** What only requests are answered that got past every check. */
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
  environment = await startProcesses({ kind: 'processes', profile: 'default', recorder: memoryRecorder() });
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

describe(`hostile requests (FUZZ_SEED=${SEED})`, () => {
  test.each(SERVICE_NAMES)(
    '%s answers every one, never with 5xx, and lives on',
    { timeout: 3_600_000 },
    async (service) => {
      const before = await fetch(`${environment.urls[service]}/version`).then((answer) => answer.text());
      const operations = await operationsOf(service);
      expect(operations.length).toBeGreaterThan(3);
      const pool = new Pool(environment.urls[service] ?? '', { connections: AT_ONCE });
      const problems: string[] = [];
      const counts = new Map<number, number>();
      for (const operation of operations) {
        const requests = fc.sample(requestsOf(operation, { ids, tokens }), { numRuns: REQUESTS, seed: SEED });
        const found = await inParallel(requests, AT_ONCE, (request) => problemOf(pool, request, counts));
        problems.push(...found.filter((problem) => problem !== undefined).slice(0, 3));
      }
      await pool.destroy();
      expect(problems).toEqual([]);
      expect((counts.get(AWAY) ?? 0) / (operations.length * REQUESTS)).toBeLessThan(AWAY_SHARE_MAX);
      // Else nothing was reached but the first check.
      for (const status of [200, 400, 401, ...REACHED[service]]) expect([...counts.keys()]).toContain(status);
      if (process.env.FUZZ_REQUESTS !== undefined) console.log(service, Object.fromEntries(counts));
      expect(await environment.parts[service].running()).toBe(true);
      expect(await fetch(`${environment.urls[service]}/version`).then((answer) => answer.text())).toBe(before);
      expect((await environment.parts[service].logs()).includes('"level":"fatal"')).toBe(false);
    },
  );
});
