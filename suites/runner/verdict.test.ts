import { describe, expect, test } from 'vitest';
import { DeadlineError, InconclusiveError, NotRestartedError } from '../../harness/core/errors.ts';
import { eventually } from '../steps/eventually.ts';
import { demandEqual, Violation } from '../steps/violation.ts';
import { judge } from './verdict.ts';

const enough = { findings: [], evidence: { uploads: 10 }, floor: { uploads: 10 } };

describe('the verdict of a case', () => {
  test('is a pass only for a case that came to its end with enough evidence', () => {
    expect(judge({ ...enough, error: undefined })).toEqual({ verdict: 'pass' });
    expect(judge({ ...enough, error: undefined, evidence: { uploads: 9 } })).toEqual({
      verdict: 'inconclusive',
      reason: 'Too little evidence: uploads is 9, needs 10',
    });
    expect(judge({ ...enough, error: undefined, evidence: {} }).reason).toContain('uploads is missing');
  });

  test('is a fail for a violation, however little evidence there is', () => {
    const verdict = judge({ ...enough, evidence: {}, error: new Violation('not\n  found') });
    expect(verdict).toEqual({ verdict: 'fail', reason: 'not found' });
  });

  test('is a fail for what the checkers found, whatever else went wrong', () => {
    const findings = [{ checker: 'lost', message: 'gone' }];
    expect(judge({ ...enough, findings, error: undefined }).verdict).toBe('fail');
    expect(judge({ ...enough, findings, error: new Error('and the harness broke') }).verdict).toBe('fail');
  });

  test('is a fail for a violation that a failed healing would hide, and for a part that does not come back', () => {
    const hidden = new SuppressedError(new Error('healing broke'), new Violation('lost a file'));
    expect(judge({ ...enough, error: hidden })).toEqual({ verdict: 'fail', reason: 'lost a file' });
    const dead = new NotRestartedError('query does not come back', { cause: new Error('it exited with 1') });
    const nested = new SuppressedError(dead, new InconclusiveError('unwitnessed'));
    expect(judge({ ...enough, error: nested })).toEqual({
      verdict: 'fail',
      reason: 'query does not come back: it exited with 1',
    });
    const broken = new SuppressedError(new Error('second'), new Error('first'));
    expect(judge({ ...enough, error: broken })).toEqual({ verdict: 'error', reason: 'first; then: second' });
  });

  test('is inconclusive for an unwitnessed fault, and an error for what the harness could not do', () => {
    expect(judge({ ...enough, error: new InconclusiveError('unwitnessed') }).verdict).toBe('inconclusive');
    expect(judge({ ...enough, error: new DeadlineError('healing took too long') }).verdict).toBe('error');
  });
});

describe('demands', () => {
  test('make a broken promise a violation, and leave other errors alone', async () => {
    await expect(eventually('searchable', Promise.reject(new DeadlineError('Waited 5 ms')))).rejects.toThrow(
      new Violation('searchable: Waited 5 ms'),
    );
    await expect(eventually('searchable', Promise.reject(new TypeError('bug')))).rejects.toThrow(TypeError);
  });

  test('compare by value and name only the fields that differ', () => {
    demandEqual({ a: 1, b: [2] }, { b: [2], a: 1 }, 'equal');
    expect(() => demandEqual({ a: 1, b: 2 }, { a: 1, b: 3 }, 'it')).toThrow('it: b expected 3, got 2');
    expect(() => demandEqual({ a: 1 }, { a: 1, b: null }, 'it')).toThrow('it: b expected null, got undefined');
  });
});
