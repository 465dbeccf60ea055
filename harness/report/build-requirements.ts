import { unmetFloor, worstVerdict } from '../check/index.ts';
import {
  type CaseFinished,
  type CaseStarted,
  type Found,
  type HistoryRecord,
  VERDICTS,
  type Verdict,
} from '../record/history.ts';
import type { CaseResult, RequirementResult, TierResult } from './result.ts';

/** A ledger entry, as far as a report shows it. */
export interface RequirementText {
  id: string;
  text: string;
  level?: string;
  tier?: string;
}

interface RequirementsInput {
  records: readonly HistoryRecord[];
  findings: readonly Found[];
  /** Requirement or case ids that were asked for. */
  selected: readonly string[];
  texts: readonly RequirementText[];
  /** Set when the run did not come to its end. */
  cutShort?: { reason: string; interrupted: boolean } | undefined;
}

export function countVerdicts(judged: readonly { verdict: Verdict }[]): Record<Verdict, number> {
  const counts = Object.fromEntries(VERDICTS.map((verdict) => [verdict, 0])) as Record<Verdict, number>;
  for (const { verdict } of judged) counts[verdict]++;
  return counts;
}

/** One result per requirement, in the ledger's order (then in order of appearance), each with its cases. */
export function buildRequirements(input: RequirementsInput): RequirementResult[] {
  const { records, findings, texts, selected } = input;
  const cases = new Map<string, CaseStarted | CaseFinished>();
  for (const record of records) {
    // A case's end replaces its start; a late start (a retry that never ended) replaces the earlier end.
    if (record.type === 'case-started' || record.type === 'case-finished') cases.set(record.case, record);
  }
  const found = Map.groupBy(findings, (finding) => finding.case);
  const places = placesOf(records);
  const byRequirement = Map.groupBy(cases.values(), (record) => record.requirement);
  // What was selected and left no record, one case of several included, must show: its absence is no pass.
  const missing = Map.groupBy(
    selected.filter((id) => !cases.has(id) && !(byRequirement.has(id) && !id.includes('/'))),
    (id) => id.split('/')[0] ?? id,
  );
  for (const requirement of missing.keys()) {
    if (!byRequirement.has(requirement)) byRequirement.set(requirement, []);
  }

  const order = new Map(texts.map(({ id }, index) => [id, index]));
  const rank = (id: string): number => order.get(id) ?? texts.length;
  return [...byRequirement]
    .sort(([a], [b]) => rank(a) - rank(b))
    .map(([id, ended]) => {
      const text = texts.find((candidate) => candidate.id === id);
      const results = [
        ...ended.map((record) => ({
          ...caseResult(record, found.get(record.case) ?? [], input),
          ...places.get(record.case),
        })),
        ...(missing.get(id) ?? []).map((key) => neverStarted(key, input)),
      ];
      return {
        id,
        level: text?.level,
        tier: text?.tier,
        title: text?.text ?? ended[0]?.title ?? id,
        verdict: worstVerdict(results.map((result) => result.verdict)),
        cases: results.sort((a, b) => a.key.localeCompare(b.key, 'en', { numeric: true })),
      };
    });
}

/** Where each case ran, and where its evidence is; of all its tries. What there is none of is absent. */
function placesOf(records: readonly HistoryRecord[]): Map<string, Pick<CaseResult, 'environments' | 'evidenceFiles'>> {
  const places = new Map<string, { environments?: string[]; evidenceFiles?: string[] }>();
  for (const record of records) {
    if (record.case === undefined) continue;
    const place = places.get(record.case) ?? {};
    places.set(record.case, place);
    // One that could not be started is named by its own records alone.
    if (record.type === 'case-started' || record.type === 'environment') {
      const { environmentId } = record;
      if (environmentId !== undefined && !place.environments?.includes(environmentId))
        place.environments = [...(place.environments ?? []), environmentId];
    } else if (record.type === 'case-finished' && record.evidenceFiles !== undefined) {
      place.evidenceFiles = [...(place.evidenceFiles ?? []), ...record.evidenceFiles];
    }
  }
  return places;
}

function caseResult(
  record: CaseStarted | CaseFinished,
  findings: readonly Found[],
  { cutShort }: RequirementsInput,
): CaseResult {
  const { case: key, title } = record;
  if (record.type === 'case-started') {
    const reason = `started and never ended${cutShort === undefined ? '' : `: ${cutShort.reason}`}`;
    return { key, title, ...unfinished(cutShort), reason };
  }
  const { durationMs, evidence, floor } = record;
  const base = { key, title, durationMs, evidence, floor };
  if (record.verdict === 'pass' && findings.length > 0) {
    // A finding is a violated guarantee, whatever the case itself looked at.
    const messages = findings.slice(0, 3).map(({ checker, message }) => `${checker}: ${message}`);
    const more = findings.length > 3 ? `; and ${findings.length - 3} more` : '';
    return { ...base, verdict: 'fail', reason: `the checkers found ${messages.join('; ')}${more}` };
  }
  const lacking = record.verdict === 'pass' ? unmetFloor(record) : undefined;
  if (lacking !== undefined) return { ...base, verdict: 'inconclusive', reason: lacking };
  return { ...base, verdict: record.verdict, reason: record.reason };
}

function neverStarted(id: string, { cutShort }: RequirementsInput): CaseResult {
  const reason = cutShort === undefined ? 'selected, but no case of it started' : `never started: ${cutShort.reason}`;
  return { key: id, title: 'not started', ...unfinished(cutShort), reason };
}

/** Cut off by the user it is unknown; otherwise the harness broke. */
function unfinished(cutShort: RequirementsInput['cutShort']): Omit<CaseResult, 'key' | 'title'> {
  return { verdict: cutShort?.interrupted ? 'inconclusive' : 'error', durationMs: null, evidence: {}, floor: {} };
}

const VIOLATED: readonly Verdict[] = ['fail', 'xpass', 'xfail'];
const UNDECIDED: readonly Verdict[] = ['inconclusive', 'error', 'flaky'];

/**
 * What a run says of each tier. A target conforms to a tier when every MUST of it and of those below passed, all those of
 * the ledger: one that was not selected, or skipped for a missing capability, leaves the tier partial. Of one of which, and
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
