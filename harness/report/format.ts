import type { Verdict } from '../record/history.ts';
import type { CaseResult, Quantile, RunResult, RunVerdict, TierResult } from './result.ts';

/** A duration in the unit that reads best, three significant digits: `0.42 ms`, `12.5 ms`, `1.81 s`, `2 min 5 s`. */
export function formatMs(ms: number): string {
  const size = Math.abs(ms);
  if (size >= 120_000) return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
  return size >= 999.5 ? `${significant(ms / 1000)} s` : `${significant(ms)} ms`;
}

/** The same; `–` for what is not known. */
export function formatMsOr(ms: number | null): string {
  return ms === null ? '–' : formatMs(ms);
}

function significant(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return String(Number(value.toFixed(digits)));
}

/** A figure known to an interval: `12–15 ms`, or one number where both bounds read alike; `–` when it is not given. */
export function formatQuantile({ lowMs, highMs }: Quantile): string {
  if (lowMs === null) return '–';
  if (highMs === null) return `> ${formatMs(lowMs)}`;
  const [low, high] = [formatMs(lowMs), formatMs(highMs)];
  if (low === high) return high;
  const [lowValue, lowUnit] = low.split(' ');
  return lowUnit === high.split(' ')[1] && low.split(' ').length === 2 ? `${lowValue}–${high}` : `${low} – ${high}`;
}

/** Memory in MiB: `9.8 MiB`, `213 MiB`. */
export function formatBytes(bytes: number): string {
  return `${significant(bytes / 2 ** 20)} MiB`;
}

function formatCount(count: number): string {
  return count.toLocaleString('en-GB');
}

/** `3 cases`, `1 case`. */
export function plural(count: number, noun: string, nouns = `${noun}s`): string {
  return `${formatCount(count)} ${count === 1 ? noun : nouns}`;
}

export function formatShare(share: number): string {
  if (share === 1) return '100 %';
  // Never rounded up to a perfect score.
  return `${(Math.floor(share * 10_000) / 100).toFixed(2)} %`;
}

/** Every verdict as a word and a sign, so that none is told by colour alone. */
export const VERDICT_LABELS: Record<Verdict, { sign: string; label: string; tone: 'good' | 'bad' | 'warn' | 'mute' }> =
  {
    pass: { sign: '✓', label: 'pass', tone: 'good' },
    fail: { sign: '✕', label: 'fail', tone: 'bad' },
    inconclusive: { sign: '?', label: 'inconclusive', tone: 'warn' },
    error: { sign: '!', label: 'error', tone: 'warn' },
    skip: { sign: '–', label: 'skip', tone: 'mute' },
    xfail: { sign: '✓', label: 'expected fail', tone: 'mute' },
    xpass: { sign: '✕', label: 'unexpected pass', tone: 'bad' },
    flaky: { sign: '~', label: 'flaky', tone: 'warn' },
  };

export const RUN_VERDICT_LABELS: Record<RunVerdict, { sign: string; label: string; tone: 'good' | 'bad' | 'warn' }> = {
  conformant: { sign: '✓', label: 'Conformant', tone: 'good' },
  'as-expected': { sign: '✓', label: 'As expected', tone: 'good' },
  partial: { sign: '–', label: 'Partial', tone: 'warn' },
  violation: { sign: '✕', label: 'Violation', tone: 'bad' },
  inconclusive: { sign: '?', label: 'Inconclusive', tone: 'warn' },
  unreachable: { sign: '!', label: 'Target unreachable', tone: 'warn' },
  'wrong-target': { sign: '!', label: 'Target not as its file says', tone: 'warn' },
  'nothing-selected': { sign: '–', label: 'Nothing ran', tone: 'warn' },
  'harness-error': { sign: '!', label: 'Harness error', tone: 'warn' },
};

/** The run in one sentence. */
export function verdictSentence({ verdict, requirements, counts, findings, run }: RunResult): string {
  const of = plural(requirements.length, 'requirement');
  const failed = counts.requirements.fail + counts.requirements.xpass;
  const ids = (wanted: readonly Verdict[]): string =>
    requirements
      .filter((requirement) => wanted.includes(requirement.verdict))
      .map(({ id }) => id)
      .join(', ');
  const why = run.reason === undefined ? '' : `: ${run.reason}`;
  switch (verdict) {
    case 'conformant':
      return `${requirements.length === 1 ? 'The requirement holds' : `All ${of} hold`}, shown by ${plural(counts.cases.pass, 'passed case')}.`;
    case 'as-expected':
      return `Nothing failed that is not expected to: ${ids(['xfail'])} of ${of}.`;
    case 'partial':
      return `Nothing was found violated, but ${ids(['skip'])} could not be judged here, or not in full.`;
    case 'violation': {
      const undecided = ids(['inconclusive', 'error', 'flaky']);
      const violated =
        failed > 0
          ? `${failed} of ${of} ${failed === 1 ? 'does' : 'do'} not hold: ${ids(['fail', 'xpass'])}.`
          : `The checkers report ${plural(findings.length, 'violated guarantee')}.`;
      return undecided === '' ? violated : `${violated} Undecided: ${undecided}.`;
    }
    case 'inconclusive':
      return run.complete
        ? `The evidence does not suffice for ${ids(['inconclusive', 'flaky'])}; nothing was found violated.`
        : `The run did not come to its end${why}.`;
    case 'harness-error': {
      const errors = ids(['error']);
      return `The harness itself failed${errors === '' ? '' : ` in ${errors}`}${why}.`;
    }
    case 'unreachable':
      return `The target, or a server it needs, could not be reached${why}.`;
    case 'wrong-target':
      return `The target is not what its file says${why}.`;
    case 'nothing-selected':
      return `No case ran, so nothing is shown${why}.`;
  }
}

const TIER_VERDICT_LABELS: Record<
  TierResult['verdict'],
  { sign: string; label: string; tone: 'good' | 'bad' | 'warn' }
> = {
  conformant: { sign: '✓', label: 'conformant', tone: 'good' },
  violated: { sign: '✕', label: 'violated', tone: 'bad' },
  inconclusive: { sign: '?', label: 'inconclusive', tone: 'warn' },
  partial: { sign: '–', label: 'partial', tone: 'warn' },
  unjudged: { sign: '–', label: 'not judged', tone: 'warn' },
};

/** Folders of a case's evidence, one per try, relative to the run's; each with its files. */
export function evidenceFolders({ evidenceFiles = [] }: CaseResult): [folder: string, files: string[]][] {
  return [...Map.groupBy(evidenceFiles, (path) => path.slice(0, path.lastIndexOf('/')))];
}

/** ` (see evidence/RES-01-killed)`; empty where there is none. */
export function whereEvidence(result: CaseResult): string {
  const folders = evidenceFolders(result).map(([folder]) => folder);
  return folders.length === 0 ? '' : ` (see ${folders.join(', ')})`;
}

/** `core conformant (31/31), resilient partial (5/11)`. */
export function tiersText(tiers: readonly TierResult[]): string {
  const judged = tiers.filter(({ verdict }) => verdict !== 'unjudged');
  if (judged.length === 0) return 'not judged: no MUST of theirs was selected';
  return tiers
    .map(({ tier, verdict, passed, total }) => `${tier} ${TIER_VERDICT_LABELS[verdict].label} (${passed}/${total})`)
    .join(', ');
}

/** What a soak found and did not find, and in how much; whatever its verdict. Undefined where the run was none. */
export function soakSentence(result: RunResult): string | undefined {
  const soak = result.requirements.flatMap(({ cases }) => cases).find(({ key }) => key === result.soak);
  if (soak === undefined) return undefined;
  return `The soak ${[whatWasFound(result, soak), howMuch(result, soak), whileRedisAway(soak)].filter((part) => part !== '').join('; ')}.`;
}

function whatWasFound({ findings }: RunResult, soak: CaseResult): string {
  const own = Map.groupBy(
    findings.filter((finding) => finding.case === soak.key),
    ({ checker }) => checker,
  );
  const read = figure(soak, 'readAtEnd') ?? 0;
  const found = [...own].map(([checker, group]) => `${group.length} ${WORDS[checker] ?? checker}`).join(', ');
  if (read === 0) {
    const unread = 'the files were not all read at the end, so that of others nothing is known';
    return found === '' ? `did not get to look for losses: ${unread}` : `found ${found}; ${unread}`;
  }
  const among = `among ${plural(read, 'file')}, all read at the end`;
  return found === '' ? `found nothing lost, undone or back from deletion ${among}` : `found ${found} ${among}`;
}

const WORDS: Readonly<Record<string, string>> = { resurrected: 'back from deletion', duplicated: 'listed twice' };

function howMuch(result: RunResult, soak: CaseResult): string {
  const faultKinds = result.faultKinds.filter((kind) => kind.case === soak.key);
  const [operations, writes] = [figure(soak, 'operations'), figure(soak, 'writes')];
  const faults = faultKinds.reduce((sum, { count }) => sum + count, 0);
  const load =
    operations === undefined
      ? ''
      : `${plural(operations, 'operation')}${writes === undefined ? '' : `, ${plural(writes, 'accepted write')}`}, `;
  const carriedOut = figure(soak, 'faults');
  const disruptions = carriedOut === undefined ? '' : `${plural(carriedOut, 'disruption')} and aims, `;
  return `${load}${disruptions}${plural(faults, 'fault')} of ${plural(faultKinds.length, 'kind')}`;
}

function whileRedisAway(soak: CaseResult): string {
  const [due, failed] = [figure(soak, 'whileRedisAway'), figure(soak, 'failedWhileRedisAway')];
  if (due === undefined || failed === undefined) return 'availability during outages of Redis alone was not judged';
  return `during outages of Redis alone, ${failed} of ${plural(due, 'operation')} failed`;
}

function figure({ evidence }: CaseResult, name: string): number | undefined {
  const value = evidence[name];
  return typeof value === 'number' ? value : undefined;
}
