import {
  describeError,
  type ExpectedFailure,
  errorsIn,
  InconclusiveError,
  NotRestartedError,
  unmetFloor,
  type Verdict,
} from '../../harness/index.ts';
import { isMeant } from '../ledger/ledger.ts';

export interface Judgement {
  verdict: Verdict;
  /** Absent for a pass. One line. */
  reason?: string;
}

export interface Judged {
  /** What the case threw; undefined when it came to its end. */
  error: unknown;
  /** Violations that the checkers found in what the case recorded. */
  findings: readonly { checker: string; message: string }[];
  evidence: Readonly<Record<string, number | string>>;
  floor: Readonly<Record<string, number>>;
}

/**
 * A violation outranks all: evidence that convicts needs no floor. Then what kept the harness from judging, and only
 * a case that came to its end with enough evidence passes.
 */
export function judge({ error, findings, evidence, floor }: Judged): Judgement {
  const errors = error === undefined ? [] : errorsIn(error);
  // Its message says it all; its cause is for debugging.
  const violation = errors.find(isViolation);
  if (violation !== undefined) return { verdict: 'fail', reason: oneLine(violation.message) };
  if (findings.length > 0) return { verdict: 'fail', reason: findingsText(findings) };
  const notRestarted = errors.find((each) => each instanceof NotRestartedError);
  if (notRestarted !== undefined) return { verdict: 'fail', reason: oneLine(describeError(notRestarted)) };
  const harnessErrors = errors.filter((each) => !(each instanceof InconclusiveError));
  if (harnessErrors.length > 0) return { verdict: 'error', reason: oneLine(describeError(error)) };
  if (errors.length > 0) return { verdict: 'inconclusive', reason: oneLine(describeError(error)) };
  const lacking = unmetFloor({ evidence, floor });
  if (lacking !== undefined) return { verdict: 'inconclusive', reason: lacking };
  return { verdict: 'pass' };
}

/** Our own violations and those of `expect` share the name. */
function isViolation(error: unknown): error is Error {
  return error instanceof Error && error.name === 'AssertionError';
}

function findingsText(findings: Judged['findings']): string {
  const shown = findings.slice(0, 3).map(({ checker, message }) => `${checker}: ${message}`);
  const more = findings.length > 3 ? `; and ${findings.length - 3} more` : '';
  return oneLine(shown.join('; ') + more);
}

function oneLine(text: string): string {
  const line = text.replaceAll(/\s*\n\s*/g, ' ').trim();
  return line.length <= 500 ? line : `${line.slice(0, 500)}…`;
}

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
  const entry = expected.find(({ requirement }) => isMeant(key, requirement));
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
