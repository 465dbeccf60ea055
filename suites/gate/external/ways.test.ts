import { expect, test } from 'vitest';
import { CAPABILITIES } from '../../../harness/config/capabilities.ts';
import type { RunResult } from '../../../harness/report/result.ts';
import { differences } from './judge.ts';
import { WAYS } from './ways.ts';

const everything = new Set(CAPABILITIES.keys());
const withoutRedis = new Set([...everything].filter((name) => name !== 'redis'));

const WAY = {
  select: ['SYNC-01', 'SYNC-02', 'PUB-03'],
  exitCode: 1,
  tiers: { core: 'partial', resilient: 'partial', durable: 'violated' },
  fails: { 'PUB-03': /no event/ },
  passes: ['SYNC-01'],
} as const;

type Verdicts = Record<string, [verdict: string, reason?: string]>;
const RIGHT: Verdicts = { 'SYNC-01': ['pass'], 'SYNC-02': ['pass'], 'PUB-03': ['fail', 'there is no event'] };

/** As much of a result as is looked at. */
function resultOf(verdicts: Verdicts, { exitCode = 1, durable = 'violated' } = {}): RunResult {
  const cases = Object.entries(verdicts).map(([key, [verdict, reason]]) => ({ key, verdict, reason }));
  const tiers = Object.entries({ core: 'partial', resilient: 'partial', durable });
  const result = { exitCode, requirements: [{ cases }], tiers: tiers.map(([tier, verdict]) => ({ tier, verdict })) };
  return result as unknown as RunResult;
}

const found = (result: RunResult, offered = everything): string[] => differences(WAY, result, offered);

test('what comes out as it must is no difference', () => {
  expect(found(resultOf(RIGHT))).toEqual([]);
});

test.for<[what: string, result: RunResult, difference: RegExp]>([
  [
    'a failure that must not be',
    resultOf({ ...RIGHT, 'SYNC-02': ['fail', 'lost'] }),
    /SYNC-02: expected pass, got fail: lost/,
  ],
  ['too little evidence', resultOf({ ...RIGHT, 'SYNC-02': ['inconclusive', 'few'] }), /SYNC-02: expected pass/],
  ['a pass where a failure must be', resultOf({ ...RIGHT, 'PUB-03': ['pass'] }), /PUB-03: expected fail, got pass/],
  [
    'a failure for another reason',
    resultOf({ ...RIGHT, 'PUB-03': ['fail', '500'] }),
    /PUB-03: failed for another reason: 500/,
  ],
  [
    'a skip of what could be judged',
    resultOf({ ...RIGHT, 'SYNC-02': ['skip', 'x'] }),
    /SYNC-02: expected pass, got skip/,
  ],
  ['another exit code', resultOf(RIGHT, { exitCode: 5 }), /Exit code: expected 1, got 5/],
  [
    'another verdict on a tier',
    resultOf(RIGHT, { durable: 'partial' }),
    /Tier durable: expected violated, got partial/,
  ],
])('%s is a difference', ([, result, difference]) => {
  expect(found(result).join('\n')).toMatch(difference);
});

test('a case that did not run is a difference', () => {
  const { 'SYNC-02': _left, ...others } = RIGHT;
  expect(found(resultOf(others))).toEqual(['SYNC-02: expected pass, got none: no reason']);
});

test('a skip must name what is missing, and nothing else', () => {
  const skipped = (reason: string): RunResult => resultOf({ ...RIGHT, 'SYNC-02': ['skip', reason] });
  expect(found(skipped('Unsupported by the target: redis'), withoutRedis)).toEqual([]);
  expect(found(skipped('Unsupported by the target: postgres'), withoutRedis)).toEqual([
    'SYNC-02: skipped for: Unsupported by the target: postgres',
  ]);
});

test('a failure that must be cannot be skipped', () => {
  const verdicts = {
    ...RIGHT,
    'SYNC-02': ['skip', 'Unsupported by the target: redis'],
    'PUB-03': ['skip', 'no access'],
  } as const;
  const differing = found(resultOf(verdicts as unknown as Verdicts), withoutRedis);
  expect(differing).toEqual(['PUB-03: expected fail, got skip: no access']);
});

test('what a way expects to pass or to fail is among what it runs', () => {
  for (const { select, passes, fails } of WAYS) {
    for (const key of [...passes, ...Object.keys(fails)]) {
      expect(
        select.some((id) => id === key || key.startsWith(`${id}/`)),
        key,
      ).toBe(true);
    }
  }
});
