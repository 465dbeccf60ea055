import type { Verdict } from '../record/history.ts';
import type { RequirementResult, RunVerdict } from './result.ts';

/** What ended the run from outside its cases. */
export interface RunFailure {
  kind: 'unreachable' | 'harness-error' | 'nothing-selected';
  reason: string;
}

interface RunJudgement {
  requirements: readonly RequirementResult[];
  /** Findings of the checkers outside the cases that expect them. */
  unexpectedFindings: number;
  failure?: RunFailure | undefined;
  interrupted: boolean;
}

const EXIT_CODES: Record<RunVerdict, number> = {
  conformant: 0,
  violation: 1,
  inconclusive: 2,
  unreachable: 3,
  'nothing-selected': 4,
  'harness-error': 5,
};

const VIOLATIONS: readonly Verdict[] = ['fail', 'xpass'];
const UNDECIDED: readonly Verdict[] = ['inconclusive', 'skip', 'flaky'];

/** The run's verdict and exit code. A violation outranks all; then what kept the run from being one. */
export function judgeRun(run: RunJudgement): { verdict: RunVerdict; exitCode: number } {
  const verdict = verdictOf(run);
  return { verdict, exitCode: EXIT_CODES[verdict] };
}

function verdictOf({ requirements, unexpectedFindings, failure, interrupted }: RunJudgement): RunVerdict {
  const verdicts = requirements.flatMap(({ cases }) => cases.map(({ verdict }) => verdict));
  const some = (kinds: readonly Verdict[]): boolean => verdicts.some((verdict) => kinds.includes(verdict));
  if (some(VIOLATIONS) || unexpectedFindings > 0) return 'violation';
  if (failure !== undefined) return failure.kind;
  if (some(['error'])) return 'harness-error';
  if (interrupted || some(UNDECIDED)) return 'inconclusive';
  return verdicts.length === 0 ? 'nothing-selected' : 'conformant';
}
