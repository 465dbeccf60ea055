import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Ajv2020 from 'ajv/dist/2020.js';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { parse } from 'yaml';
import { startLocalTarget } from '../../suites/honesty/local-target.ts';
import { withExpectation } from '../../suites/runner/verdict.ts';
import { filterCases, requireKnownFailures } from '../cli/cases.ts';
import { makePlan } from '../cli/plan.ts';
import { refusalOf } from '../core/fixtures/refusal.ts';
import { offersOf } from '../environment/external/offers.ts';
import { discover, targetTemplate } from '../environment/external/template.ts';
import { loadTarget, noteUnset, TARGET_SCHEMA_PATH, targetJsonSchema } from './target.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncproof-target-'));
afterAll(() => rmSync(folder, { recursive: true }));

const LEAST = `name: mine
services:
  admin: { url: http://127.0.0.1:1 }
  query: { url: http://127.0.0.1:2/prefix/ }
credentials:
  ADMIN: { client_id: me, client_secret: "\${TARGET_TEST_SECRET}" }
`;

function written(text: string): string {
  const path = join(folder, `${Math.random().toString(16).slice(2)}.yaml`);
  writeFileSync(path, text);
  return path;
}

function load(text: string) {
  vi.stubEnv('TARGET_TEST_SECRET', 'a-secret-that-nobody-may-see');
  return loadTarget(written(text));
}

const problemOf = (text: string): string => refusalOf(() => load(text));

describe('a target file', () => {
  test('has its defaults, and its secrets from the environment', () => {
    const target = load(LEAST);
    expect(target.credentials.ADMIN.client_secret).toBe('a-secret-that-nobody-may-see');
    expect(target.limits).toMatchObject({ sync_ms: 5000, pending_retry_ms: 60_000 });
    expect(target).toMatchObject({ xfail: [], control: {}, mapping: {}, allow_partial: false });
  });

  test.each([
    ['services', LEAST.replace('services:', 'servcies:'), [/line 2.*servcies.*no such key/, /services/]],
    ['an address', LEAST.replace('http://127.0.0.1:1', 'localhost:1'), [/line 3.*services\.admin\.url/]],
    ['a missing account', LEAST.replace('ADMIN', 'USER'), [/credentials\.ADMIN/]],
    [
      'a hook',
      `${LEAST}control: { redis: { kil: a } }\n`,
      [/line 7.*control\.redis\.kil: .*no such key; keys are kill, stop, start/],
    ],
    ['a part', `${LEAST}control: { cache: { kill: a } }\n`, [/control/, /cache/]],
    ['a call', `${LEAST}mapping: { "GET /nowhere": { path: /a } }\n`, [/mapping/, /GET \/nowhere/]],
    ['a status', `${LEAST}mapping: { "GET /version": { status: { "2": 200 } } }\n`, [/status/]],
    ['a date', `${LEAST}xfail: [{ requirement: PUB-01, reason: r, expires: soon }]\n`, [/xfail\.0\.expires/]],
    ['a workload', `${LEAST}control: { admin: { kubectl: { workload: pod/a } } }\n`, [/deployment\/NAME/]],
    ['a duration', `${LEAST}limits: { sync_ms: 3000000000 }\n`, [/limits\.sync_ms.*86400000/]],
    ['a password', `${LEAST}redis: { url: "redis://:p%zz@127.0.0.1:3" }\n`, [/redis\.url.*%25/]],
    ['a password that is no text', `${LEAST}redis: { url: "redis://:p%ff@127.0.0.1:3" }\n`, [/redis\.url.*%25/]],
    ['a database', `${LEAST}redis: { url: "redis://127.0.0.1:3/5" }\n`, [/redis\.url.*database/]],
    [
      'an option',
      `${LEAST}postgres: { query: "postgres://a@127.0.0.1/b?sslmode=require" }\n`,
      [/postgres\.query.*no options/],
    ],
    ['an alias', `${LEAST}version: *nowhere\n`, [/aliases/]],
    ['a circle', `${LEAST}unsupported: &a [*a]\n`, [/aliases/]],
    ['a name for the terminal', LEAST.replace('mine', '"a\\e[2Jb"'), [/line 1: name.*control characters/]],
    ['two documents', `${LEAST}---\n${LEAST}`, [/one YAML document/]],
    ['YAML', `${LEAST}control: [\n`, [/YAML/]],
    ['nothing', '', [/the file: .*object/]],
  ])('that is wrong names line, key and what was expected: %s', (_what, text, says) => {
    const problem = problemOf(text);
    for (const part of says) expect(problem).toMatch(part);
    expect(problem).not.toContain('a-secret-that-nobody-may-see');
  });

  test('is a file: a second read of a pipe would wait for ever', () => {
    const script = `import { loadTarget } from ${JSON.stringify(new URL('./target.ts', import.meta.url).href)};
      loadTarget('/dev/stdin');`;
    // By a shell: what Node makes for a child is a socket.
    const piped = '"$0" --input-type=module -e "$1" 2>&1';
    const { stdout } = spawnSync('/bin/sh', ['-c', `echo name: mine | ${piped}`, process.execPath, script]);
    expect(String(stdout)).toMatch(/regular file, got \/dev\/stdin/);
    expect(() => loadTarget(folder)).toThrow(/regular file/);
  });

  test('leaves a variable to the shell where that is asked for', () => {
    const target = load(`${LEAST}control: { redis: { wipe: "rm $\${HOME}/x" } }\n`);
    expect(target.control.redis?.wipe).toBe(`rm \${HOME}/x`);
    expect(target.secrets).toEqual(['a-secret-that-nobody-may-see']);
  });

  test('names a variable that is not set, and where it is wanted', () => {
    expect(problemOf(LEAST.replace('TARGET_TEST_SECRET', 'TARGET_TEST_OTHER'))).toMatch(
      /TARGET_TEST_OTHER.*credentials\.ADMIN\.client_secret/,
    );
  });

  test('can be read for a plan while variables are not set, which it then names', () => {
    const unset = new Set<string>();
    const text = `${LEAST.replace('SECRET', 'OTHER').replace('http://127.0.0.1:1', `"\${TARGET_TEST_URL}"`)}
postgres: { query: "postgres://a:\${TARGET_TEST_PASSWORD}@127.0.0.1:4/c", admin: "\${TARGET_TEST_PG}" }
redis: { url: "\${TARGET_TEST_REDIS}" }
`;
    const target = loadTarget(written(text), { unset: noteUnset(unset) });
    const names = [...unset].map((name) => name.replace('TARGET_TEST_', ''));
    expect(names).toEqual(['URL', 'OTHER', 'PASSWORD', 'PG', 'REDIS']);
    expect([...offersOf(target)]).toContain('registry');
  });

  test('has a published schema that the code writes (else: node harness/config/target.ts)', () => {
    const published = readFileSync(new URL(`../../${TARGET_SCHEMA_PATH}`, import.meta.url), 'utf8');
    expect(JSON.parse(published)).toEqual(JSON.parse(targetJsonSchema()));
    const validate = new Ajv2020.default({ strict: false, validateFormats: false }).compile(JSON.parse(published));
    expect(validate(parse(LEAST)), JSON.stringify(validate.errors)).toBe(true);
    expect(validate(parse(LEAST.replace('services:', 'servcies:')))).toBe(false);
  });
});

const MORE = `${LEAST}redis: { url: "redis://127.0.0.1:3" }
postgres: { query: "postgres://a:b@127.0.0.1:4/c" }
control:
  redis: { docker: my-redis }
  query: { kill: a, stop: b, start: c }
`;

describe('what a target offers', () => {
  test('with HTTP alone', () => {
    expect([...offersOf(load(LEAST))].sort()).toEqual(['http', 'metrics']);
  });

  test('with servers and hooks', () => {
    const offered = offersOf(load(MORE));
    for (const each of ['redis', 'postgres', 'stop redis', 'pause redis', 'stop query'] as const) {
      expect(offered).toContain(each);
    }
    for (const each of ['pause query', 'stop admin', 'wipe redis', 'registry', 'redis admin', 'upload'] as const) {
      expect(offered).not.toContain(each);
    }
  });

  test('hooks of a part that the file gives no address for are none: their effect could not be seen', () => {
    expect(offersOf(load(MORE.replace(/^redis: .*$/m, '')))).not.toContain('stop redis');
  });
});

test('commands that are of no use without each other are asked for together', () => {
  const half = (verbs: string) => () =>
    load(`${MORE.replace(/^control:[\s\S]*/m, '')}\ncontrol:\n  query: { ${verbs} }\n`);
  expect(half('kill: a')).toThrow(/control\.query: kill, stop, start belong together; expected stop and start/);
  expect(half('kill: a, stop: b, start: c, pause: d')).toThrow(/pause, resume belong together; expected resume/);
  expect(half('kill: a, stop: b, start: c')).not.toThrow();
});

describe('a plan', () => {
  const all = filterCases({});

  test('runs everything on the reference', () => {
    const plan = makePlan(all, undefined);
    expect(plan.cases.every(({ run }) => run)).toBe(true);
    expect(plan.missing).toEqual([]);
    for (const { judged, total } of plan.tiers) expect(judged).toBe(total);
  });

  test('says what a target does not support, how many cases wait for it, and that no tier is whole', () => {
    const plan = makePlan(all, load(LEAST));
    const skipped = plan.cases.find((each) => each.case === 'RES-01/killed');
    expect(skipped).toMatchObject({ run: false, missing: expect.arrayContaining(['redis', 'stop redis']) });
    expect(plan.missing[0]).toMatchObject({ capability: 'redis', cases: expect.any(Number) });
    const waiting = plan.cases.filter(({ missing }) => missing.includes('redis')).length;
    expect(plan.missing.find(({ capability }) => capability === 'redis')?.cases).toBe(waiting);
    const durable = plan.tiers.find(({ tier }) => tier === 'durable');
    expect(durable?.judged).toBeLessThan(durable?.total ?? 0);
  });
});

describe('an expected failure', () => {
  const entry = { requirement: 'PUB-08', reason: 'no limit yet', expires: '2030-01-31' };
  const at = (verdict: 'pass' | 'fail' | 'error', today: string) =>
    withExpectation('PUB-08', { verdict, reason: 'because' }, [entry], today).verdict;

  test('is one until its last day; a pass, and a failure after it, fail the run', () => {
    expect(at('fail', '2030-01-31')).toBe('xfail');
    expect(at('fail', '2030-02-01')).toBe('fail');
    expect(at('pass', '2030-01-31')).toBe('xpass');
    expect(at('pass', '2030-02-01')).toBe('xpass');
  });

  test('says nothing of other cases, nor of an error', () => {
    expect(at('error', '2030-01-31')).toBe('error');
    expect(withExpectation('PUB-01', { verdict: 'fail' }, [entry], '2030-01-31').verdict).toBe('fail');
  });

  test('of what does not exist is a mistake', () => {
    const text = `${LEAST}xfail: [{ requirement: PUB-99, reason: r, expires: 2030-01-31 }]\n`;
    const problem = refusalOf(() => requireKnownFailures(load(text)));
    expect(problem).toMatch(/xfail in .*PUB-99/);
    expect(problem.match(/PUB-99/g)).toHaveLength(1);
    expect(() => requireKnownFailures(load(text.replace('PUB-99', 'PUB-08')))).not.toThrow();
  });
});

test('init writes a file that is one, with what running services told', async () => {
  const openapi = { paths: { '/api/search': { post: {} }, '/api/v1/files/{file_id}': { get: {}, put: {} } } };
  await using service = await startLocalTarget(({ path }) => {
    if (path === '/health/live') return { status: 200, body: { status: 'ok' } };
    if (path === '/openapi.json') return { status: 200, body: openapi };
    if (path === '/version') {
      const config = { REDIS_PENDING_RETRY_MS: 1234, EVENT_STREAM_MAXLEN: 'many' };
      return { status: 200, body: { service: 'query', version: '4.2', git_sha: 'abc', config } };
    }
    return { status: 404 };
  });
  const gone = 'http://127.0.0.1:1';
  const found = await discover({ admin: service.url, query: service.url, ingester: gone, storage: gone });
  const text = targetTemplate(found, { name: 'a "name"', schema: 'schema.json' });
  vi.stubEnv('ADMIN_CLIENT_ID', 'a');
  vi.stubEnv('ADMIN_CLIENT_SECRET', 'b');
  expect(load(text)).toMatchObject({
    name: 'a "name"',
    version: '4.2',
    services: { admin: { url: service.url }, query: { url: service.url } },
    limits: { pending_retry_ms: 1234, stream_entries_max: 10_000 },
    unsupported: ['download', 'metrics'],
    build: { git_sha: 'abc' },
  });
  expect(text).toContain('# ingester: ');
  expect(text).toMatch(/^# {3}GET \/api\/search\/\{id\}: /m);
  expect(text).not.toMatch(/^# {3}(PUT|GET) \/api\/v1\/files\/\{id\}: /m);
});

test('keys under their old names are read, with a note; under both names they are refused', () => {
  const old = load(`${LEAST}promises: { sync_ms: 123 }\nlacks: [metrics]\n`);
  expect([old.limits.sync_ms, old.unsupported]).toEqual([123, ['metrics']]);
  expect(old.notes).toEqual([
    expect.stringContaining('`promises` is called `limits` now'),
    expect.stringContaining('`lacks` is called `unsupported` now'),
  ]);
  expect(load(LEAST).notes).toEqual([]);
  expect(problemOf(`${LEAST}promises: { sync_ms: 1 }\nlimits: { sync_ms: 2 }\n`)).toContain('promises');
});
