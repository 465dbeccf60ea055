import type { Verdict } from '../record/history.ts';
import type { RequirementText } from './build-requirements.ts';
import type { RequirementResult, TierResult } from './result.ts';

const VIOLATED: readonly Verdict[] = ['fail', 'xpass', 'xfail'];
const UNDECIDED: readonly Verdict[] = ['inconclusive', 'error', 'flaky'];

/**
 * What a run says of each tier. A target conforms to a tier when every MUST of it and of those below passed, all those of
 * the ledger: one that was not selected, or skipped for lack of a capability, leaves the tier partial. Of a tier of which, and
 * of those below which, nothing was selected, nothing is said: it is unjudged.
 * @param ledger in the order in which tiers build on each other
 */
export function buildTiers(ledger: readonly RequirementText[], results: readonly RequirementResult[]): TierResult[] {
  const verdicts = new Map(results.map(({ id, verdict }) => [id, verdict]));
  const musts = ledger.filter(({ level, tier }) => level === 'MUST' && tier !== undefined);
  const tiers = [...new Set(musts.map(({ tier }) => tier ?? ''))];
  const soFar: (Verdict | undefined)[] = [];
  return tiers.map((tier) => {
    const own = musts.filter((entry) => entry.tier === tier).map(({ id }) => verdicts.get(id));
    soFar.push(...own);
    const some = (kinds: readonly Verdict[]): boolean =>
      soFar.some((each) => each !== undefined && kinds.includes(each));
    const verdict = soFar.every((each) => each === undefined)
      ? 'unjudged'
      : some(VIOLATED)
        ? 'violated'
        : some(UNDECIDED)
          ? 'inconclusive'
          : soFar.every((each) => each === 'pass')
            ? 'conformant'
            : 'partial';
    return { tier, verdict, passed: own.filter((each) => each === 'pass').length, total: own.length };
  });
}
