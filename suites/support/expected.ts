import type { ExpectedFailure } from '../../harness/index.ts';
import { isSelected } from '../spec/cases.ts';
import type { Judgement } from './verdict.ts';

/**
 * What a verdict is where the target file expects a failure. An unexpected pass fails the run, and so does an entry
 * whose time is over: an exception must not outlive its reason unseen.
 * @param today ISO 8601, e.g. 2026-01-31
 */
export function withExpectation(
  key: string,
  judgement: Judgement,
  expected: readonly ExpectedFailure[],
  today: string,
): Judgement {
  const entry = expected.find(({ requirement }) => isSelected(key, [requirement]));
  if (entry === undefined) return judgement;
  const why = `${entry.reason}${entry.link === undefined ? '' : ` (${entry.link})`}`;
  const { verdict, reason = 'it passes' } = judgement;
  if (verdict !== 'pass' && verdict !== 'fail') return judgement;
  if (entry.expires < today) {
    const over = `The time of its expected failure was over on ${entry.expires} (${why}): renew or remove the entry`;
    return { verdict: verdict === 'pass' ? 'xpass' : 'fail', reason: `${over}; ${reason}` };
  }
  if (verdict === 'pass') return { verdict: 'xpass', reason: `It was expected to fail: ${why}; remove the entry` };
  return { verdict: 'xfail', reason: `Expected until ${entry.expires}: ${why}; ${reason}` };
}
