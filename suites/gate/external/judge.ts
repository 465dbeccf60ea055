import type { Capability } from '../../../harness/config/capabilities.ts';
import type { RunResult } from '../../../harness/report/result.ts';
import { isSelected } from '../../ledger/ledger.ts';
import { CASES } from '../../requirements.ts';
import type { Way } from './ways.ts';

/**
 * Holds the result of a run to what must come of it.
 * @returns what differs, each as a sentence; empty when all is as it must be
 */
export function differences(
  way: Pick<Way, 'exitCode' | 'tiers' | 'fails' | 'passes' | 'select'>,
  result: RunResult,
  offered: ReadonlySet<Capability>,
): string[] {
  const cases = new Map(
    result.requirements.flatMap((requirement) => requirement.cases).map((each) => [each.key, each]),
  );
  const found: string[] = [];
  const expect = (holds: boolean, sentence: string): void => {
    if (!holds) found.push(sentence);
  };
  for (const { key, needs } of CASES.filter((each) => isSelected(each, way.select))) {
    const { verdict = 'none', reason = 'no reason' } = cases.get(key) ?? {};
    const missing = needs.filter((need) => !offered.has(need));
    const failure = way.fails[key];
    const wanted = failure !== undefined ? 'fail' : missing.length > 0 ? 'skip' : 'pass';
    expect(verdict === wanted, `${key}: expected ${wanted}, got ${verdict}: ${reason}`);
    if (verdict !== wanted) continue;
    if (verdict === 'skip')
      expect(reason === `Unsupported by the target: ${missing.join(', ')}`, `${key}: skipped for: ${reason}`);
    if (failure !== undefined) expect(failure.test(reason), `${key}: failed for another reason: ${reason}`);
  }
  for (const key of way.passes) expect(cases.get(key)?.verdict !== 'skip', `${key} was skipped, and has to pass`);
  for (const { tier, verdict } of result.tiers) {
    const wanted = way.tiers[tier as keyof Way['tiers']];
    expect(verdict === wanted, `Tier ${tier}: expected ${wanted}, got ${verdict}`);
  }
  expect(result.exitCode === way.exitCode, `Exit code: expected ${way.exitCode}, got ${result.exitCode}`);
  return found;
}
