import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { appendFile, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { problemsIn } from '../../suites/gate/child.ts';
import { CASE_KEYS } from '../../suites/requirements.ts';
import { startSuite } from '../../suites/runner/process.ts';
import { caseFinished, caseStarted } from '../check/fixtures/records.ts';
import { stopMark } from '../config/run-plan.ts';
import { milliseconds } from '../core/text.ts';
import { pollUntil } from '../core/time.ts';
import { findProcess } from '../environment/process/table.ts';
import type { HistoryRecord, RunStarted } from '../record/history.ts';
import { buildResult } from '../report/build.ts';
import { sampleHistory } from '../report/fixtures/sample-history.ts';
import { selectCases } from './cases.ts';
import { createRunFolder, pointLatestAt } from './execute-run.ts';
import { type Ended, syncproof, temporaryFolder } from './fixtures/syncproof.ts';
import { applyRecord, emptyState, followHistory, liveLines } from './progress.ts';
import { repeatCommand, summaryLines } from './summary.ts';

const MAIN = join(import.meta.dirname, '../../harness/cli/main.ts');
const SOMEBODY = { client_id: 'me', client_secret: 'mine' };
const plain = (_style: string, text: string): string => text;

const MISTAKES: readonly { words: string[]; settings?: Record<string, string>; says: RegExp[] }[] = [
  { words: ['run', '--env', 'docker'], says: [/--env/, /one of auto, containers, processes/, /"docker"/] },
  { words: ['run', '--seed', '1.5'], says: [/--seed/, /an integer from 0 to 4294967295/, /"1\.5"/] },
  { words: ['run', '--profile', 'fast'], says: [/--profile/, /one of default, classic/, /"fast"/] },
  { words: ['run', '--csae', 'RES-01'], says: [/--csae/, /--case/] },
  { words: ['run', '--case', 'RES-1'], says: [/RES-1;/, /did you mean RES-01/] },
  { words: ['run', '--case', 'RES-01/kiled'], says: [/RES-01\/kiled/, /did you mean RES-01\/killed/] },
  { words: ['run', '--', '--env', 'docker'], says: [/--env/] },
  { words: ['run', 'RES-01'], says: [/too many arguments/, /RES-01/] },
  { words: ['start', '--port-offset', '-1'], says: [/--port-offset/, /"-1"/] },
  { words: ['report', '/nowhere'], says: [/history\.jsonl/, /\/nowhere/] },
  { words: ['rnu'], says: [/rnu/, /run/] },
  { words: ['run'], settings: { SYNCPROOF_ENV: 'docker' }, says: [/SYNCPROOF_ENV/, /one of/, /"docker"/] },
  { words: ['list', 'XYZ-*'], says: [/XYZ-\*/, /syncproof list/] },
  { words: ['list', 'RES-01', '--tier', 'core'], says: [/Nothing is selected/] },
  { words: ['list', '--tier', 'top'], says: [/--tier/, /core, resilient, durable/, /"top"/] },
  { words: ['list', '--need', 'stop everything'], says: [/--need/, /stop redis/, /"stop everything"/] },
  { words: ['list', 'redis-eaten', '--faults'], says: [/what a soak breaks, got redis-eaten/] },
  { words: ['list', '--faults', '--tier', 'core'], says: [/--faults/, /--tier/] },
  { words: ['explain', 'PUB-8'], says: [/PUB-8;/, /did you mean PUB-08/] },
  { words: ['plan', '--target', '/nowhere.yaml'], says: [/--target/, /\/nowhere\.yaml/] },
  { words: ['run', '--target', '/nowhere.yaml'], says: [/--target/, /\/nowhere\.yaml/] },
  { words: ['run', '--target', 'a.yaml', '--env', 'processes'], says: [/--target/, /--env/] },
  // What stands on the command line outranks what the environment says, as CI machines like to.
  {
    words: ['run', '--target', '/nowhere.yaml'],
    settings: { SYNCPROOF_ENV: 'processes', SYNCPROOF_PROFILE: 'classic' },
    says: [/--target/, /\/nowhere\.yaml/],
  },
  {
    words: ['run', '--env', 'processes', '--case', 'RES-1'],
    settings: { SYNCPROOF_TARGET: '/nowhere.yaml' },
    says: [/RES-1;/],
  },
  {
    words: ['run'],
    settings: { SYNCPROOF_TARGET: '/nowhere.yaml', SYNCPROOF_ENV: 'processes' },
    says: [/SYNCPROOF_TARGET or SYNCPROOF_ENV/],
  },
  { words: ['report', '/nowhere', '--check'], says: [/history\.jsonl/, /\/nowhere/] },
  { words: ['recheck', '/nowhere'], says: [/now `syncproof report --check`/, /history\.jsonl/, /\/nowhere/] },
  { words: ['shrink', '/nowhere'], says: [/history\.jsonl/, /\/nowhere/] },
  { words: ['shrink', '--repeats', '2', '--failures', '3'], says: [/--failures/, /--repeats/, /3 of 2/] },
  { words: ['soak', '--plan', '/nowhere'], says: [/--plan/, /\/nowhere/] },
  { words: ['soak', '--minutes', '0'], says: [/--minutes/, /above 0/] },
  { words: ['run', '--failed'], says: [/--from/, /--failed/] },
  { words: ['run', '--from', '/nowhere'], says: [/history\.jsonl/, /\/nowhere/] },
  { words: ['run', '--from', '/nowhere', '--failed'], says: [/history\.jsonl/, /\/nowhere/] },
  ...['--case RES-01', '--tier core', '--seed 1', '--env auto', '--target a.yaml', '--profile default'].map(
    (rival) => ({
      words: ['run', '--from', '/nowhere', ...rival.split(' ')],
      says: [/--from/, new RegExp(`${rival.split(' ', 1)[0]}, got both`)],
    }),
  ),
  // A machine's own settings contradict nothing, not even each other.
  {
    words: ['run', '--from', '/nowhere'],
    settings: {
      SYNCPROOF_ENV: 'processes',
      SYNCPROOF_TARGET: 'a.yaml',
      SYNCPROOF_PROFILE: 'classic',
      SYNCPROOF_SEED: '1',
    },
    says: [/history\.jsonl/, /\/nowhere/],
  },
  {
    words: ['rerun-failed', '/nowhere'],
    says: [/now `syncproof run --from \/nowhere --failed`/, /history\.jsonl, got \/nowhere/],
  },
  { words: ['replay', '/nowhere'], says: [/now `syncproof run --from \/nowhere`/, /history\.jsonl, got \/nowhere/] },
  { words: ['replay', '--seed', '1'], says: [/unknown option '--seed'/] },
  { words: ['init', '--admin', 'ftp://a'], says: [/--admin/, /http/, /"ftp:\/\/a"/] },
  { words: ['mutants', '--mutant', 'no-such'], says: [/no-such/, /mutants --list/] },
  { words: ['mutants', '--from', '/nowhere'], says: [/--from/, /\/nowhere/] },
  { words: ['list'], settings: { SYNCPROOF_SEEED: '1' }, says: [/variable SYNCPROOF_SEEED not/, /SYNCPROOF_SEED/] },
];

test.for(MISTAKES)('names the mistake and exits with 4: $words $settings', async ({ words, settings, says }) => {
  const { code, stderr } = await syncproof(words, settings);
  for (const part of says) expect(stderr).toMatch(part);
  expect(code).toBe(4);
});

const COMMANDS = 'run soak shrink start bench report list explain plan init mutants'.split(' ');
/** They still work, and help names them no more. */
const FORMER_NAMES = ['rerun-failed', 'replay', 'recheck'];

test('the command itself ends with that code', async () => {
  const child = spawn(process.execPath, [MAIN, 'explain', 'PUB-8'], { stdio: 'ignore' });
  expect(await once(child, 'exit')).toEqual([4, null]);
});

test('what the command prints into a pipe is whole, and a reader that has had enough is no error', async () => {
  // By a shell: what Node makes for a child is a socket, which holds more than a pipe.
  const piped = (reader: string) =>
    promisify(execFile)('/bin/sh', ['-c', `"$0" "$1" list --json | ${reader}`, process.execPath, MAIN], {
      maxBuffer: 2 ** 24,
    });
  const { stdout } = await piped('cat');
  expect(stdout.length).toBeGreaterThan(65_536);
  expect(JSON.parse(stdout)).toBeTruthy();
  expect((await piped('head -n 1')).stderr).toBe('');
});

test('help names every command', async () => {
  const { stdout } = await syncproof(['--help']);
  const named = [...stdout.matchAll(/^ {2}([a-z-]+)[ [].*$/gm)].map(([, name]) => name);
  expect(named.filter((name) => name !== 'help').sort()).toEqual([...COMMANDS].sort());
});

test.for(['', ...COMMANDS, ...FORMER_NAMES])('%s --help has examples', async (command) => {
  const { code, stdout } = await syncproof([...(command === '' ? [] : [command]), '--help']);
  expect(stdout).toMatch(/Examples?:\n {2}\$ /);
  expect(code).toBe(0);
});

test('a requirement selects all of its cases, a case only itself', () => {
  expect(selectCases(['RES-01'])).toEqual(['RES-01/killed', 'RES-01/paused', 'RES-01/refused', 'RES-01/blackholed']);
  expect(selectCases(['RES-01/killed'])).toEqual(['RES-01/killed']);
  expect(selectCases(['RES-01/*ed'])).toEqual(selectCases(['RES-01']));
  expect(selectCases(['RES-*'])).toEqual(expect.arrayContaining([...selectCases(['RES-01', 'RES-05'])]));
  // The soak lasts: it runs when it is asked for.
  expect(selectCases([])).toEqual(CASE_KEYS.filter((key) => key !== 'SOAK-01'));
  expect(selectCases(['SOAK-*'])).toEqual(['SOAK-01']);
});

test('following a history sees each line once and whole, also what comes in pieces and at the very end', async () => {
  const path = join(await temporaryFolder(), 'history.jsonl');
  await writeFile(path, '{"at":1,"type":"pha');
  const seen: number[] = [];
  const done = new AbortController();
  const followed = followHistory(path, ({ at }) => seen.push(at), done.signal);
  await appendFile(path, 'se","phase":"ä"}\n{"at":2}\nnot a record\n');
  await pollUntil(() => seen.length === 2 || undefined, { what: 'two records', timeoutMs: 2000 });
  await appendFile(path, '{"at":3}\n{"at":4');
  done.abort();
  await followed;
  expect(seen).toEqual([1, 2, 3]);
});

const PROGRESS: HistoryRecord[] = [
  { at: 0, type: 'environment', environmentId: 'e1', kind: 'processes', status: 'starting' },
  { at: 5, type: 'environment', environmentId: 'e1', kind: 'processes', status: 'part-ready', part: 'redis', ms: 5 },
  { at: 900, type: 'environment', environmentId: 'e1', kind: 'processes', status: 'ready', ms: 900 },
  caseStarted('RES-01/killed', { at: 1000, title: 'Redis down' }),
  {
    at: 1500,
    type: 'fault',
    case: 'RES-01/killed',
    fault: 'f1',
    kind: 'redis-killed',
    target: 'redis',
    event: 'effective',
    witness: 'PING refused',
  },
];

test('progress says what starts, what runs, which fault is on, and how it ended', () => {
  const state = emptyState();
  const [starting, redisUp, ...rest] = PROGRESS;
  for (const record of [starting, redisUp]) if (record !== undefined) applyRecord(state, record, plain);
  expect(liveLines(state, 400, plain)).toEqual(['starting e1: redis up', '0 s']);
  const lines = rest.map((record) => applyRecord(state, record, plain));
  expect(lines).toEqual([
    'processes environment e1 is up in 900 ms',
    undefined,
    'RES-01/killed  redis-killed effective (PING refused)',
  ]);
  expect(liveLines(state, 3000, plain)).toEqual(['run  RES-01/killed 2.0 s  redis-killed', '3 s']);
  const finished = applyRecord(
    state,
    caseFinished('RES-01/killed', 'fail', {
      at: 9200,
      title: 'Redis down',
      durationMs: 8200,
      reason: 'an upload failed',
    }),
    plain,
  );
  expect(finished).toBe('fail RES-01/killed  Redis down  8.2 s\n      an upload failed');
});

test('the summary names every requirement, the reason of each failure, the report and the command that repeats it', () => {
  const result = buildResult(sampleHistory({ outcome: 'violation', hostileName: 'x' }), { complete: true });
  const text = summaryLines(result, { report: 'out/index.html' }, plain).join('\n');
  for (const { id, cases } of result.requirements) {
    expect(text).toContain(id);
    for (const { verdict, reason } of cases) if (verdict === 'fail') expect(text).toContain(reason?.split('\n')[0]);
  }
  expect(text).toMatch(/sync latency .*p50 .*p95 .*p99 .*\(n \d+.*resolution/);
  expect(text).toContain('Verdict: violation');
  // What is wrong stands at the end, where a log is read first, and nothing else stands there.
  const bad = result.requirements
    .flatMap(({ cases }) => cases)
    .filter(({ verdict }) => !['pass', 'xfail', 'skip'].includes(verdict));
  const problems = problemsIn(text);
  expect(problems).toHaveLength(bad.length + 1);
  for (const { key } of bad) expect(problems.at(-1)).toContain(key);
  expect(text).toMatch(/fail RES-02\/short: .* \(see evidence\/RES-02-short\)$/m);
  expect(text).toContain('out/index.html');
  expect(text).toContain(result.run.command);
});

test('the repeat command carries what decided the run', () => {
  const words = { environment: 'processes', seed: 7, profile: 'classic', cases: ['RES-01/killed'] } as const;
  expect(repeatCommand(words)).toBe(
    'npx -y pnpm@12 test:e2e --env processes --seed 7 --profile classic --case RES-01/killed',
  );
});

test('durations are readable at every size', () => {
  expect([1.234, 45.6, 999, 8234, 65_000].map(milliseconds)).toEqual([
    '1.2 ms',
    '46 ms',
    '999 ms',
    '8.2 s',
    '1 min 05 s',
  ]);
});

test('`latest` moves from one run to the next', async () => {
  const reports = await temporaryFolder();
  for (const marker of ['first', 'second']) {
    const folder = await createRunFolder(reports);
    await writeFile(join(folder.directory, 'marker'), marker);
    const latest = await pointLatestAt(folder);
    expect(await readFile(join(latest, 'marker'), 'utf8')).toBe(marker);
  }
});

test('a killed command line takes its suite with it', async () => {
  const folder = await temporaryFolder();
  const suiteProcess = JSON.stringify(new URL('../../suites/runner/process.ts', import.meta.url).href);
  const script = `
    const { startSuite } = await import(${suiteProcess});
    const suite = startSuite({
      arguments: ['-e', 'setInterval(() => {}, 1000)'],
      contextPath: 'unused',
      logPath: ${JSON.stringify(join(folder, 'log'))},
    });
    console.log(suite.pid);
    await suite.ended;`;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [chunk] = await once(parent.stdout, 'data');
  const suite = Number(String(chunk));
  expect(findProcess(suite)).toBeDefined();
  parent.kill('SIGKILL');
  await pollUntil(() => findProcess(suite) === undefined || undefined, { what: 'its end', timeoutMs: 5000 });
});

test('a run that is interrupted while it first looks at its target writes its report, and leaves nothing', async () => {
  const folder = await temporaryFolder();
  const asked = Promise.withResolvers<void>();
  const silent = createServer(() => asked.resolve()).listen(0, '127.0.0.1');
  onTestFinished(() => void silent.close());
  await once(silent, 'listening');
  const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const target = join(folder, 'target.yaml');
  const services = { admin: { url }, query: { url } };
  await writeFile(target, JSON.stringify({ name: 'silent', services, credentials: { ADMIN: SOMEBODY } }));
  const run = spawn(process.execPath, [MAIN, 'run', '--target', target, '--report', join(folder, 'reports')], {
    stdio: 'ignore',
    env: { ...process.env, TMPDIR: folder },
  });
  await asked.promise;
  run.kill('SIGINT');
  expect(await once(run, 'exit')).toEqual([2, null]);
  const report = join(folder, 'reports/latest');
  expect(JSON.parse(await readFile(join(report, 'result.json'), 'utf8'))).toMatchObject({ verdict: 'inconclusive' });
  expect(await readFile(join(report, 'index.html'), 'utf8')).toContain('interrupted by SIGINT');
  expect((await readdir(folder)).toSorted()).toEqual(['reports', 'target.yaml']);
});

describe('a run that was recorded', () => {
  // Nothing answers there, so every run of it is over at once, and has recorded its plan.
  const url = 'http://127.0.0.1:1';
  const TARGET = { name: 'gone', services: { admin: { url }, query: { url } }, credentials: { ADMIN: SOMEBODY } };
  const started = async (folder: string): Promise<RunStarted> =>
    JSON.parse((await readFile(join(folder, 'history.jsonl'), 'utf8')).split('\n', 1)[0] ?? '');
  let reports: string;
  let first: string;
  let recorded: RunStarted;

  beforeAll(async () => {
    reports = await mkdtemp(join(tmpdir(), 'syncproof-cli-'));
    const target = join(reports, 'target.yaml');
    await writeFile(target, JSON.stringify(TARGET));
    const words = ['--case', 'SYNC-01', 'RES-01', '--seed', '7', '--retries', '1', '--keep', '--report', reports];
    expect(await syncproof(['run', '--target', target, ...words])).toMatchObject({ code: 3 });
    first = await realpath(join(reports, 'latest'));
    recorded = await started(first);
    for (const [key, verdict] of [
      ['SYNC-01', 'pass'],
      ['RES-01/killed', 'skip'],
      ['RES-01/paused', 'fail'],
      ['RES-01/refused', 'inconclusive'],
    ]) {
      const finished = {
        at: 1,
        type: 'case-finished',
        case: key,
        requirement: 'X',
        title: 'x',
        verdict,
        durationMs: 1,
      };
      await appendFile(join(first, 'history.jsonl'), `${JSON.stringify({ ...finished, evidence: {}, floor: {} })}\n`);
    }
  });
  afterAll(() => rm(reports, { recursive: true }));

  const again = async (...words: string[]): Promise<Ended & { run: RunStarted }> => {
    const ended = await syncproof([...words, '--report', join(reports, 'again')]);
    return { ...ended, run: await started(join(reports, 'again', 'latest')) };
  };
  const FAILED = ['RES-01/paused', 'RES-01/refused', 'RES-01/blackholed'];

  test('is repeated with its cases, seed, settings and target, whatever the environment variables say', async () => {
    vi.stubEnv('SYNCPROOF_SEED', '8');
    vi.stubEnv('SYNCPROOF_PROFILE', 'classic');
    const { code, run } = await again('run', '--from', first);
    expect(code).toBe(3);
    expect(run.selected).toEqual(recorded.selected);
    const reason = `as in run ${recorded.runId}`;
    expect(run.plan).toEqual({ ...recorded.plan, reason, cases: recorded.selected, keep: false });
    expect(run.plan).toMatchObject({ seed: 7, retries: 1, profile: 'default' });
  });

  test('is repeated where it failed: not what passed or was skipped, but what never ended', async () => {
    expect((await again('run', '--from', first, '--failed')).run.selected).toEqual(FAILED);
  });

  test('may be tried otherwise than it was', async () => {
    const { run } = await again('run', '--from', first, '--retries', '3', '--allow-partial', '--keep');
    expect(run.plan).toMatchObject({ retries: 3, allowPartial: true, keep: true, seed: 7 });
  });

  test.for([
    ['replay', []],
    ['rerun-failed', ['--failed']],
  ] as const)('is repeated by `%s`, too, which says its new name', async ([name, more]) => {
    const now = await again('run', '--from', first, ...more, '--json');
    const before = await again(name, first, '--json');
    const words = ['run', '--from', first, ...more].join(' ');
    expect(before.stderr).toMatch(new RegExp(`^\`syncproof ${name}\` is now \`syncproof ${words}\`\n`));
    expect(now.stderr).not.toContain('is now');
    expect([before.code, before.run.selected]).toEqual([now.code, now.run.selected]);
    expect(before.run.plan).toEqual(now.run.plan);
    const [was, is] = [before, now].map(({ stdout }) => JSON.parse(stdout));
    expect(was.run.id).toBe(before.run.runId);
    expect(Object.keys(was)).toEqual(Object.keys(is));
    expect([was.verdict, was.exitCode, was.requirements]).toEqual([is.verdict, is.exitCode, is.requirements]);
  });

  test('has nothing to run again where nothing failed', async () => {
    const folder = await temporaryFolder();
    const lines = (await readFile(join(first, 'history.jsonl'), 'utf8')).split('\n');
    const passed = JSON.stringify({ ...recorded, selected: ['SYNC-01', 'RES-01/killed'] });
    await writeFile(join(folder, 'history.jsonl'), lines.with(0, passed).join('\n'));
    const { code, stderr } = await syncproof(['run', '--from', folder, '--failed']);
    expect(stderr).toMatch(/no case that ran in .* failed; 1 were skipped/);
    expect(code).toBe(4);
  });
});

/**
 * What Vitest does: a runner that kills its workers when it is asked to end. Its worker has a guard beside it as long as
 * something is broken, and takes a while to put that back.
 */
const RUNNER = `
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
const [script, role] = process.argv.slice(1);
setInterval(() => {}, 1000);
if (role === 'worker') {
  const guard = spawn('sleep', ['600']);
  process.once('SIGINT', () => setTimeout(() => {
    writeFileSync(script + '.put-back', '');
    guard.kill();
    guard.once('exit', () => process.exit());
  }, 1500));
  guard.once('spawn', () => writeFileSync(script + '.ready', ''));
} else {
  const worker = spawn(process.execPath, [script, 'worker']);
  process.once('SIGINT', () => {
    worker.kill('SIGKILL');
    process.exit(1);
  });
}
`;

test('a suite that is stopped may put back what it broke before its runner ends', async () => {
  const folder = await temporaryFolder();
  const script = join(folder, 'runner.mjs');
  await writeFile(script, RUNNER);
  await using suite = startSuite({
    arguments: [script],
    contextPath: join(folder, 'context.json'),
    logPath: join(folder, 'log'),
  });
  const there = (name: string): true | undefined => existsSync(script + name) || undefined;
  await pollUntil(() => there('.ready'), { what: 'the worker', timeoutMs: 10_000 });
  const end = await suite.stop();
  expect([there('.put-back'), end.cutOff]).toEqual([true, undefined]);
  expect(existsSync(stopMark(join(folder, 'context.json')))).toBe(false);
});

test('what did not pass is found in the output of a check', () => {
  expect(
    problemsIn('Not passed:\n  old\n\nmore\nNot passed:\n  A-01 fail: late\n  again: x\n\n1 passed, 1 failed'),
  ).toEqual(['A-01 fail: late', 'again: x']);
  expect(
    problemsIn('ok 1\n \u001b[31mFAIL\u001b[39m  a.test.ts > one\n FAIL  a.test.ts > one\nTests 1 failed'),
  ).toEqual(['FAIL  a.test.ts > one']);
  expect(problemsIn('1\n2\n3\n4\n5\n6\n\n')).toEqual(['2', '3', '4', '5', '6']);
});
