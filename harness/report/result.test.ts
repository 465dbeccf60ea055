import { readFileSync } from 'node:fs';
import Ajv2020 from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { caseFinished, caseStarted, operation, runFinished, runStarted } from '../check/fixtures/records.ts';
import { worstVerdict } from '../check/index.ts';
import type { CaseFinished, HistoryRecord, Verdict } from '../record/history.ts';
import { type BuildOptions, buildResult } from './build.ts';
import { sampleHistory } from './fixtures/sample-history.ts';
import { RESULT_SCHEMA_PATH, resultJsonSchema } from './result.ts';

const published: unknown = JSON.parse(readFileSync(new URL(`../../${RESULT_SCHEMA_PATH}`, import.meta.url), 'utf8'));
const validate = new Ajv2020.default({ strict: true, strictRequired: false, allowUnionTypes: true }).compile(
  published as object,
);

const STARTED = runStarted();
const FINISHED = runFinished();
const finished = (key: string, verdict: Verdict): CaseFinished =>
  caseFinished(key, verdict, { evidence: { acknowledged: 3 }, floor: { acknowledged: 2 } });

function judge(records: readonly HistoryRecord[], options: Partial<BuildOptions> = {}) {
  return buildResult([STARTED, ...records, FINISHED], { complete: true, ...options });
}

describe('the published schema', () => {
  test('is the one that the code writes (else: node harness/report/result.ts)', () => {
    expect(published).toEqual(JSON.parse(resultJsonSchema()));
  });

  test.each(['conformant', 'violation'] as const)('accepts the result of a %s run', (outcome) => {
    const result = buildResult(sampleHistory({ outcome }), { complete: true });
    expect(validate(JSON.parse(JSON.stringify(result))), JSON.stringify(validate.errors)).toBe(true);
    expect(result.verdict).toBe(outcome);
  });

  test('accepts the result of an empty history', () => {
    expect(validate(buildResult([], { complete: false })), JSON.stringify(validate.errors)).toBe(true);
  });

  test('refuses a result without a verdict', () => {
    const { verdict: _, ...rest } = buildResult(sampleHistory(), { complete: true });
    expect(validate(rest)).toBe(false);
  });
});

describe('the roll-up of verdicts', () => {
  test('a requirement is as good as the worst of its cases', () => {
    expect(worstVerdict(['pass', 'inconclusive', 'pass'])).toBe('inconclusive');
    expect(worstVerdict(['error', 'fail', 'inconclusive'])).toBe('fail');
    expect(worstVerdict(['pass', 'skip'])).toBe('skip');
    const [requirement] = judge([finished('RES-01/a', 'pass'), finished('RES-01/b', 'fail')]).requirements;
    expect(requirement).toMatchObject({ id: 'RES-01', verdict: 'fail' });
  });

  test.each<[Verdict[], string, number]>([
    [['pass', 'pass'], 'conformant', 0],
    [['pass', 'xfail'], 'as-expected', 0],
    [['pass', 'fail', 'error', 'inconclusive'], 'violation', 1],
    [['pass', 'xpass'], 'violation', 1],
    [['pass', 'inconclusive'], 'inconclusive', 2],
    [['pass', 'skip'], 'partial', 2],
    [['pass', 'flaky', 'skip'], 'inconclusive', 2],
    [['pass', 'error', 'inconclusive'], 'harness-error', 5],
    [[], 'nothing-selected', 4],
  ])('%j gives %s, exit code %i', (verdicts, verdict, exitCode) => {
    const records = verdicts.map((each, index) => finished(`SYNC-0${index}`, each));
    expect(judge(records)).toMatchObject({ verdict, exitCode });
  });

  test('a failure of the run is told, but a violation outranks it', () => {
    const failure = { kind: 'unreachable', reason: 'no redis-server' } as const;
    const away = judge([finished('SYNC-01', 'error')], { failure });
    expect(away).toMatchObject({ exitCode: 3, run: { complete: false, reason: 'no redis-server' } });
    expect(judge([finished('SYNC-01', 'fail')], { failure }).exitCode).toBe(1);
  });

  test('a case that passed although a checker found something fails', () => {
    const lost: HistoryRecord = {
      at: 15,
      type: 'finding',
      case: 'SYNC-05',
      checker: 'lost',
      fileId: 'f',
      message: 'gone',
    };
    const result = judge([finished('SYNC-05', 'pass'), lost]);
    expect(result).toMatchObject({ verdict: 'violation', exitCode: 1 });
    expect(result.requirements[0]?.cases[0]).toMatchObject({
      verdict: 'fail',
      reason: 'the checkers found lost: gone',
    });
  });
});

test('a case names the environments of all its tries, also one that could not be started for it', () => {
  const environment = (environmentId: string, key: string): HistoryRecord => ({
    ...{ at: 5, type: 'environment', environmentId, kind: 'processes', status: 'starting', case: key },
  });
  const ran = (key: string, environmentId: string) => ({ ...caseStarted(key), environmentId }) as HistoryRecord;
  const result = judge([
    ...[environment('e1', 'RES-01/a'), ran('RES-01/a', 'e1'), finished('RES-01/a', 'pass')],
    ...[ran('RES-01/b', 'e1'), finished('RES-01/b', 'fail')],
    ...[environment('e2', 'RES-01/b'), caseStarted('RES-01/b'), finished('RES-01/b', 'error')],
    ...[caseStarted('RES-01/c'), finished('RES-01/c', 'pass')],
  ]);
  expect(result.requirements[0]?.cases.map(({ environments }) => environments)).toEqual([
    ['e1'],
    ['e1', 'e2'],
    undefined,
  ]);
});

describe('a run that did not come to its end', () => {
  test('a case that started and never finished is an error, or inconclusive when interrupted', () => {
    expect(judge([caseStarted('SYNC-01')]).requirements[0]?.verdict).toBe('error');
    const interrupted = buildResult(
      [STARTED, finished('UP-01', 'pass'), caseStarted('SYNC-01'), runFinished(9000, 'SIGINT', true)],
      { complete: false },
    );
    expect(interrupted).toMatchObject({
      verdict: 'inconclusive',
      exitCode: 2,
      run: { complete: false, reason: 'SIGINT' },
    });
    expect(interrupted.requirements[1]).toMatchObject({ id: 'SYNC-01', verdict: 'inconclusive' });
  });

  test('a pass without its evidence is none, whatever the history says', () => {
    const bare = { ...finished('RES-01/a', 'pass'), evidence: { acknowledged: 1 } };
    const [requirement] = judge([bare]).requirements;
    expect(requirement?.cases[0]).toMatchObject({ verdict: 'inconclusive' });
    expect(requirement?.cases[0]?.reason).toContain('acknowledged is 1, needs 2');
  });

  test('the checkers judge again: a recorded pass over a lost file is a violation', () => {
    const key = 'RES-02/killed-1s';
    const upload = { op: '1', kind: 'upload', invoke: { input: { filename: 'a' } }, end: { status: 201 } } as const;
    const read = { op: '2', kind: 'read', invoke: { final: true }, end: { status: 404, found: false } } as const;
    const lossy = [upload, read].flatMap((each, i) =>
      operation({ case: key, fileId: 'f1', at: 11 + 2 * i, endAt: 12 + 2 * i, ...each }),
    );
    const result = judge([caseStarted(key), ...lossy, finished(key, 'pass')]);
    expect(result.verdict).toBe('violation');
    expect(result.findings.map(({ checker, fileId }) => [checker, fileId])).toEqual([['lost', 'f1']]);
  });

  test('a reason for the end of a run that was not interrupted is a failure of the harness', () => {
    const broken = runFinished(9100, 'the runner broke');
    const result = buildResult([STARTED, finished('RES-01', 'pass'), FINISHED, broken], { complete: true });
    expect(result).toMatchObject({ verdict: 'harness-error', exitCode: 5, run: { reason: 'the runner broke' } });
  });

  test('one selected case without a record makes the run no pass, though its siblings passed', () => {
    const selected = runStarted({ selected: ['RES-01/killed', 'RES-01/paused', 'SYNC-01'] });
    const records = [selected, finished('RES-01/killed', 'pass'), finished('SYNC-01', 'pass'), FINISHED];
    const result = buildResult(records, { complete: true });
    expect(result.verdict).toBe('harness-error');
    const resilience = result.requirements.find(({ id }) => id === 'RES-01');
    expect(resilience?.cases.map(({ key, verdict }) => [key, verdict])).toEqual([
      ['RES-01/killed', 'pass'],
      ['RES-01/paused', 'error'],
    ]);
  });

  test('what was selected and never started is not forgotten', () => {
    const records = [runStarted({ selected: ['SYNC-01', 'RES-01/killed'] }), finished('SYNC-01', 'pass'), FINISHED];
    const result = buildResult(records, { complete: true });
    expect(result.requirements.map(({ id, verdict }) => [id, verdict])).toEqual([
      ['SYNC-01', 'pass'],
      ['RES-01', 'error'],
    ]);
    expect(result.exitCode).toBe(5);
  });
});

describe('figures', () => {
  test('percentiles carry their counts, and are not given on too few samples', () => {
    const { latency } = buildResult(sampleHistory({ outcome: 'violation' }), { complete: true });
    const baseline = latency.series.find((series) => series.case === 'LAT-01');
    expect(baseline).toMatchObject({ n: 1200, censored: 0 });
    expect(baseline?.p99.lowMs).toBeLessThan(baseline?.p99.highMs ?? 0);
    const few = latency.series.find((series) => series.case === 'SYNC-01');
    expect(few?.p99).toEqual({ lowMs: null, highMs: null, reason: 'n < 100' });
    expect(latency.series.reduce((sum, { censored }) => sum + censored, 0)).toBe(3);
    const withCensored = latency.series.find(({ censored }) => censored > 0);
    expect(withCensored?.max).toMatchObject({ highMs: null, reason: 'among censored' });
  });

  test('a fault has its times, its writes and its losses', () => {
    const { faults } = buildResult(sampleHistory({ outcome: 'violation' }), { complete: true });
    const killed = faults.find(({ case: key }) => key === 'RES-01/killed');
    expect(killed).toMatchObject({
      effectiveAt: 11_000,
      healedAt: 21_000,
      detectedMs: 210,
      firstSuccessAfterMs: 64,
      backlogDrainedMs: 480,
      losses: 0,
      writes: { notOk: 0 },
    });
    expect(killed?.writes.ok).toBeGreaterThan(100);
    const inTurn = faults.filter(({ case: key }) => key === 'RES-02/short');
    expect(inTurn.map(({ losses }) => losses)).toEqual([3, 0]);
    expect(faults.find(({ case: key }) => key === 'RES-03')?.losses).toBeNull();
  });
});
