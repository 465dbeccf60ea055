import {
  formatBytes,
  formatMs,
  formatMsOr,
  formatQuantile,
  formatShare,
  RUN_VERDICT_LABELS,
  soakSentence,
  tiersText,
  VERDICT_LABELS,
  verdictSentence,
  whereEvidence,
} from './format.ts';
import { visibleText } from './markup.ts';
import type { FaultKindResult, RunResult } from './result.ts';

const SERIES_MAX = 12;
const FINDINGS_MAX = 10;

/** A summary short enough for a review comment (GitHub-flavoured Markdown). */
export function renderMarkdown(result: RunResult): string {
  const { sign, label } = RUN_VERDICT_LABELS[result.verdict];
  return `${[
    `## ${sign} syncproof: ${label}`,
    cell(verdictSentence(result)),
    cell(soakSentence(result) ?? ''),
    result.tiers.length === 0 ? '' : cell(`Tiers: ${tiersText(result.tiers)}.`),
    aboutRun(result),
    findings(result),
    requirements(result),
    latency(result),
    faults(result),
    kindsOfFaults(result),
    availability(result),
    operations(result),
    memory(result),
    mutants(result),
    result.run.command === null ? '' : `Repeat it:\n\n${fenced(result.run.command)}`,
  ]
    .filter((part) => part !== '')
    .join('\n\n')}\n`;
}

function aboutRun({ run }: RunResult): string {
  const versions = Object.entries(run.versions).map(([name, version]) => `${name} ${version}`);
  const parts = [
    `run ${run.id}`,
    run.target === null ? undefined : `target ${run.target.name} ${run.target.version ?? ''}`.trim(),
    run.environment === null ? undefined : [run.environment, ...versions].join(', '),
    run.profile === null ? undefined : `profile ${run.profile}`,
    run.seed === null ? undefined : `seed ${run.seed}`,
    formatMs(run.durationMs),
  ].filter((part) => part !== undefined);
  return `<sub>${cell(parts.join(' · '))}</sub>`;
}

function requirements({ requirements }: RunResult): string {
  const rows = requirements.map(({ id, title, verdict, cases }) => {
    const bad = cases.filter((each) => each.verdict !== 'pass' && each.reason !== undefined);
    const reasons = bad
      .map((each) => `<br>${cell(`${each.key}: ${shorten(each.reason ?? '')}${whereEvidence(each)}`)}`)
      .join('');
    const passed = cases.filter((each) => each.verdict === 'pass').length;
    return [cell(id), badge(verdict), cell(title) + reasons, `${passed} of ${cases.length}`];
  });
  return rows.length === 0 ? '' : table(['', 'verdict', 'requirement', 'cases passed'], rows);
}

function latency({ latency: { series } }: RunResult): string {
  const largest = series.toSorted((a, b) => b.n - a.n).slice(0, SERIES_MAX);
  const rows = series
    .filter((each) => largest.includes(each))
    .map((each) => [
      cell(`${each.case ?? 'no case'}, ${each.phase}`),
      each.censored === 0 ? String(each.n) : `${each.n} (${each.censored} never)`,
      ...[each.p50, each.p95, each.p99, each.max].map(formatQuantile),
      formatMsOr(each.resolutionMs),
    ]);
  if (rows.length === 0) return '';
  const rest =
    series.length > rows.length ? `\n\n<sub>${series.length - rows.length} smaller series in the report.</sub>` : '';
  return `### Sync latency\n\n${table(['', 'n', 'p50', 'p95', 'p99', 'max', 'resolution'], rows)}${rest}`;
}

function faults({ faults, faultKinds }: RunResult): string {
  const byKind = new Set(faultKinds.map((kind) => kind.case));
  const rows = faults
    .filter((fault) => !byKind.has(fault.case))
    .map((fault) => [
      cell(`${fault.kind}${fault.case === null ? '' : ` (${fault.case})`}`),
      fault.healedAt === null ? 'not healed' : formatMs(fault.healedAt - (fault.effectiveAt ?? fault.requestedAt)),
      formatMsOr(fault.detectedMs),
      formatMsOr(fault.firstSuccessAfterMs),
      formatMsOr(fault.backlogDrainedMs),
      fault.losses === null ? 'not checked' : String(fault.losses),
      fault.witness === null ? '**none**' : cell(fault.witness),
    ]);
  if (rows.length === 0) return '';
  const head = ['fault', 'on for', 'detected', 'first success after', 'backlog drained', 'losses', 'witness'];
  return `### Faults\n\n${table(head, rows)}`;
}

function kindsOfFaults({ faultKinds }: RunResult): string {
  if (faultKinds.length === 0) return '';
  const share = ({ availability, n }: FaultKindResult['writesAlone']): string =>
    availability === null ? '–' : `${formatShare(availability)} of ${n}`;
  const rows = faultKinds.map((each) => [
    cell(each.kind),
    each.unwitnessed === 0 ? String(each.count) : `${each.count} (${each.unwitnessed} unwitnessed)`,
    formatMsOr(each.recoveryMedianMs),
    formatMsOr(each.recoverySlowestMs),
    share(each.writesAlone),
    share(each.readsAlone),
    each.lost === null ? 'not checked' : `${each.lost} / ${each.resurrected}`,
  ]);
  const head = ['fault', 'how often', 'recovery, median', 'slowest', 'writes, it alone', 'reads, it alone'];
  return `### Faults by kind\n\n${table([...head, 'lost / back from deletion'], rows)}`;
}

function availability({ availability }: RunResult): string {
  if (availability.length === 0) return '';
  const rows = [...Map.groupBy(availability, ({ case: key, kind }) => `${key} ${kind}`).values()].map((scopes) => [
    cell(scopes[0]?.kind ?? ''),
    ...(['outside', 'during', 'near'] as const).map((wanted) => {
      const found = scopes.find(({ scope }) => scope === wanted);
      return found === undefined || found.availability === null
        ? '–'
        : `${formatShare(found.availability)} of ${found.n}`;
    }),
  ]);
  return `### Availability\n\n${table(['', 'nothing broken', 'a fault on', 'aftereffects possible'], rows)}`;
}

function operations({ operations }: RunResult): string {
  const shown = operations.filter(({ kind }) => kind === 'upload' || kind === 'search');
  if (shown.length === 0) return '';
  const rows = shown.map((each) => [
    `${cell(each.kind)}, ${each.scope === 'steady' ? 'no fault on' : 'during a fault'}`,
    String(each.n),
    each.availability === null ? '–' : formatShare(each.availability),
    ...[each.p50, each.p95, each.p99, each.max].map(formatQuantile),
  ]);
  return `### Operations\n\n${table(['', 'n', 'available', 'p50', 'p95', 'p99', 'max'], rows)}`;
}

function memory({ memory }: RunResult): string {
  if (memory.length === 0) return '';
  const rows = memory.map(({ part, startBytes, mostBytes, endBytes }) => [
    cell(part),
    ...[startBytes, mostBytes, endBytes].map(formatBytes),
  ]);
  return `### Memory\n\n${table(['', 'at start', 'most', 'at end'], rows)}`;
}

function findings({ findings }: RunResult): string {
  if (findings.length === 0) return '';
  const lines = findings
    .slice(0, FINDINGS_MAX)
    .map(
      ({ checker, message, fileId }) =>
        `- **${cell(checker)}** ${cell(shorten(message))}${fileId === undefined ? '' : ` (${cell(fileId)})`}`,
    );
  const more = findings.length > FINDINGS_MAX ? `\n- … and ${findings.length - FINDINGS_MAX} more` : '';
  return `### Findings\n\n${lines.join('\n')}${more}`;
}

function mutants({ mutants }: RunResult): string {
  if (mutants === null) return '';
  const survivors = mutants.trials.filter(({ killed }) => !killed);
  const killed = `${mutants.trials.length - survivors.length} of ${mutants.trials.length} trials of broken variants were caught by the case named for them`;
  const named = survivors.map(
    (trial) => `- **survived** ${cell(trial.mutant)} (${cell(trial.case)}): ${cell(trial.defect)}`,
  );
  return `### Broken variants\n\n${killed}.${named.length === 0 ? '' : `\n\n${named.join('\n')}`}`;
}

function badge(verdict: RunResult['requirements'][number]['verdict']): string {
  const { sign, label } = VERDICT_LABELS[verdict];
  return `${sign} ${label}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** Text that stays in its table cell and is nothing but text: no markup, no link, no mention. */
function cell(text: string): string {
  return visibleText(text)
    .replace(/\s+/g, ' ')
    .replace(/[&<>]/g, (character) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[character] ?? character)
    .replace(/[\\`*_[\]|#~!]/g, '\\$&')
    .replace(/@/g, '@\u200b');
}

function shorten(text: string): string {
  return text.length > 240 ? `${text.slice(0, 239)}…` : text;
}

/** A code block whose fence is longer than any run of backticks inside. */
function fenced(text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}\n${visibleText(text)}\n${fence}`;
}
