import { XMLValidator } from 'fast-xml-parser';
import { describe, expect, test } from 'vitest';
import { annotations } from '../cli/summary.ts';
import type { Verdict } from '../record/history.ts';
import { badgeOf, renderBadge } from './badge.ts';
import { buildResult } from './build.ts';
import { buildTiers } from './build-requirements.ts';
import { sampleHistory } from './fixtures/sample-history.ts';
import type { RequirementResult, RunResult } from './result.ts';

const LEDGER = [
  { id: 'A-01', level: 'MUST', tier: 'core' },
  { id: 'A-02', level: 'SHOULD', tier: 'core' },
  { id: 'B-01', level: 'MUST', tier: 'resilient' },
  { id: 'C-01', level: 'MUST', tier: 'durable' },
].map((entry) => ({ ...entry, text: entry.id }));

function verdictsOf(verdicts: Readonly<Record<string, Verdict>>): RequirementResult[] {
  return Object.entries(verdicts).map(([id, verdict]) => ({ id, title: id, verdict, cases: [] }));
}

describe('tiers', () => {
  test.each<[string, Record<string, Verdict>, string[]]>([
    ['all passed', { 'A-01': 'pass', 'B-01': 'pass', 'C-01': 'pass' }, ['conformant', 'conformant', 'conformant']],
    [
      'a SHOULD that fails',
      { 'A-01': 'pass', 'A-02': 'fail', 'B-01': 'pass', 'C-01': 'pass' },
      ['conformant', 'conformant', 'conformant'],
    ],
    ['a skip', { 'A-01': 'pass', 'B-01': 'skip', 'C-01': 'pass' }, ['conformant', 'partial', 'partial']],
    ['one that was not selected', { 'A-01': 'pass', 'C-01': 'pass' }, ['conformant', 'partial', 'partial']],
    ['a violation below', { 'A-01': 'fail', 'B-01': 'pass', 'C-01': 'pass' }, ['violated', 'violated', 'violated']],
    [
      'an expected failure, which is one',
      { 'A-01': 'pass', 'B-01': 'pass', 'C-01': 'xfail' },
      ['conformant', 'conformant', 'violated'],
    ],
    ['a flake', { 'A-01': 'flaky', 'B-01': 'pass', 'C-01': 'pass' }, ['inconclusive', 'inconclusive', 'inconclusive']],
    ['nothing', {}, ['unjudged', 'unjudged', 'unjudged']],
    ['none of the lowest', { 'B-01': 'pass' }, ['unjudged', 'partial', 'partial']],
  ])('%s', (_what, verdicts, expected) => {
    const tiers = buildTiers(LEDGER, verdictsOf(verdicts));
    expect(tiers.map(({ tier }) => tier)).toEqual(['core', 'resilient', 'durable']);
    expect(tiers.map(({ verdict }) => verdict)).toEqual(expected);
  });
});

describe('the badge', () => {
  const sample = buildResult(sampleHistory(), { complete: true });
  const judged = (verdicts: Readonly<Record<string, Verdict>>, run: Partial<RunResult['run']> = {}): RunResult => ({
    ...sample,
    tiers: buildTiers(LEDGER, verdictsOf(verdicts)),
    run: {
      ...sample.run,
      target: { name: 'files & <search>', version: '4.2', file: 'target.yaml' },
      suiteVersion: '0.1.0',
      requirementsVersion: '0.1.0-abcd',
      ...run,
    },
  });

  test('names target, versions and the highest tier that is shown', () => {
    const badge = badgeOf(judged({ 'A-01': 'pass', 'B-01': 'pass', 'C-01': 'fail' }));
    expect(badge).toMatchObject({ label: 'syncproof 0.1.0 · files & <search> 4.2', message: 'resilient' });
    if (badge === undefined) throw new Error('there is a badge');
    const svg = renderBadge(badge);
    expect(XMLValidator.validate(svg)).toBe(true);
    expect(svg).toContain('files &amp; &lt;search&gt; 4.2');
  });

  test('claims no tier that was not shown', () => {
    expect(badgeOf(judged({ 'A-01': 'fail', 'B-01': 'pass' }))?.message).toBe('core violated');
    expect(badgeOf(judged({ 'A-01': 'skip' }))?.message).toBe('core partial');
  });

  test('is none where nothing of the tiers was judged', () => {
    expect(badgeOf(judged({ 'A-02': 'pass' }))).toBeUndefined();
  });

  test('is only for a target that says which version of it was judged', () => {
    const verdicts = { 'A-01': 'pass' } as const;
    expect(badgeOf(judged(verdicts, { target: null }))).toBeUndefined();
    expect(badgeOf(judged(verdicts, { target: { name: 'a', file: 'b' } }))).toBeUndefined();
    expect(badgeOf(judged(verdicts, { requirementsVersion: null }))).toBeUndefined();
  });
});

describe('annotations of a GitHub workflow', () => {
  test('name what did not hold, escaped, violations as errors', () => {
    const result = buildResult(sampleHistory({ outcome: 'violation', hostileName: 'a%b\n::set-output' }), {
      complete: true,
    });
    const lines = annotations(result);
    expect(lines.length).toBeGreaterThan(1);
    for (const line of lines) expect(line).toMatch(/^::(error|warning) title=syncproof [^:,]+%3A \w+::[^\n]+$/);
    expect(lines.some((line) => line.startsWith('::error'))).toBe(true);
    expect(lines.join('\n')).not.toContain('\n::set-output');
  });

  test('say nothing of a run in which everything held', () => {
    expect(annotations(buildResult(sampleHistory(), { complete: true }))).toEqual([]);
  });
});
