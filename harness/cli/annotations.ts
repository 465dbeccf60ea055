import type { RunResult } from '../report/result.ts';

/** GitHub shows ten of a kind per step. */
const ANNOTATIONS_MAX = 10;
const ERRORS = ['fail', 'xpass', 'error'];
const WARNINGS = ['inconclusive', 'flaky'];

/** Cases that did not hold as workflow commands (GitHub documentation, "Workflow commands for GitHub Actions"). */
export function annotations({ requirements }: RunResult): string[] {
  const cases = requirements.flatMap((requirement) => requirement.cases);
  const of = (command: string, verdicts: readonly string[]): string[] =>
    cases
      .filter(({ verdict }) => verdicts.includes(verdict))
      .slice(0, ANNOTATIONS_MAX)
      .map(
        ({ key, verdict, reason }) =>
          `::${command} title=${property(`syncproof ${key}: ${verdict}`)}::${data(reason ?? 'no reason was recorded')}`,
      );
  return [...of('error', ERRORS), ...of('warning', WARNINGS)];
}

const data = (text: string): string => text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
const property = (text: string): string => data(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
