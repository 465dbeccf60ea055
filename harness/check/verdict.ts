import type { Verdict } from '../record/history.ts';

export const RUN_VERDICTS = [
  'conformant',
  'as-expected',
  'partial',
  'violation',
  'inconclusive',
  'unreachable',
  'wrong-target',
  'nothing-selected',
  'harness-error',
] as const;
type RunVerdict = (typeof RUN_VERDICTS)[number];

/** What ended a run from outside its cases. */
export interface RunFailure {
  kind: 'unreachable' | 'wrong-target' | 'harness-error' | 'nothing-selected';
  reason: string;
}

const EXIT_CODES: Record<RunVerdict, number> = {
  conformant: 0,
  'as-expected': 0,
  violation: 1,
  inconclusive: 2,
  partial: 2,
  unreachable: 3,
  'wrong-target': 4,
  'nothing-selected': 4,
  'harness-error': 5,
};

/** Best first; the verdict of a whole is the last of these among its parts. */
const BY_SEVERITY: readonly Verdict[] = ['pass', 'xfail', 'skip', 'flaky', 'inconclusive', 'error', 'xpass', 'fail'];

const VIOLATIONS: readonly Verdict[] = ['fail', 'xpass'];
const UNDECIDED: readonly Verdict[] = ['inconclusive', 'flaky'];

/** The worst of the verdicts; `skip` when there is none. */
export function worstVerdict(verdicts: readonly Verdict[]): Verdict {
  const worst = Math.max(...verdicts.map((verdict) => BY_SEVERITY.indexOf(verdict)), -1);
  return BY_SEVERITY[worst] ?? 'skip';
}

interface RunJudgement {
  /** Of the run's cases. */
  verdicts: readonly Verdict[];
  /** Findings of the checkers outside the cases that expect them. */
  unexpectedFindings?: number;
  failure?: RunFailure | undefined;
  interrupted?: boolean;
  /** A run that skipped cases still succeeds. */
  allowPartial?: boolean;
}

/** The run's verdict and exit code. A violation outranks all; then what kept the run from being one. */
export function judgeRun(run: RunJudgement): { verdict: RunVerdict; exitCode: number } {
  const verdict = verdictOf(run);
  return { verdict, exitCode: verdict === 'partial' && run.allowPartial === true ? 0 : EXIT_CODES[verdict] };
}

/**
 * 0 conformant · 1 violation · 2 inconclusive · 4 nothing selected · 5 harness error, from the verdicts of a run's cases.
 * 3 (unreachable) is no verdict of a case: see `judgeRun`.
 */
export function exitCodeOf(verdicts: readonly Verdict[]): number {
  return judgeRun({ verdicts }).exitCode;
}

function verdictOf({ verdicts, unexpectedFindings = 0, failure, interrupted = false }: RunJudgement): RunVerdict {
  const some = (kinds: readonly Verdict[]): boolean => verdicts.some((verdict) => kinds.includes(verdict));
  if (some(VIOLATIONS) || unexpectedFindings > 0) return 'violation';
  if (failure !== undefined) return failure.kind;
  if (some(['error'])) return 'harness-error';
  if (interrupted || some(UNDECIDED)) return 'inconclusive';
  if (verdicts.length === 0) return 'nothing-selected';
  // A missing capability never makes for conformance, and a failure that is expected is still one.
  if (some(['skip'])) return 'partial';
  return some(['xfail']) ? 'as-expected' : 'conformant';
}

interface Judged {
  evidence: Readonly<Record<string, number | string>>;
  floor: Readonly<Record<string, number>>;
}

/** What a case's evidence misses of its floor, in words; undefined when it meets it. */
export function unmetFloor({ evidence, floor }: Judged): string | undefined {
  const unmet = Object.entries(floor).flatMap(([name, least]) => {
    const seen = evidence[name];
    return typeof seen === 'number' && seen >= least ? [] : [`${name} is ${seen ?? 'missing'}, needs ${least}`];
  });
  return unmet.length === 0 ? undefined : `Too little evidence: ${unmet.join(', ')}`;
}
