import { VERDICTS } from '../record/history.ts';
import {
  evidenceFolders,
  formatMs,
  formatQuantile,
  formatShare,
  plural,
  RUN_VERDICT_LABELS,
  soakSentence,
  tiersText,
  VERDICT_LABELS,
  verdictSentence,
} from './format.ts';
import { html, type Markup } from './markup.ts';
import type { CaseResult, LatencySeries, RequirementResult, RunResult } from './result.ts';

function verdictBadge(verdict: CaseResult['verdict']): Markup {
  const { sign, label, tone } = VERDICT_LABELS[verdict];
  return html`<span class="verdict ${tone}" data-verdict="${verdict}"><span aria-hidden="true">${sign}</span> ${label}</span>`;
}

/** The verdict in a sentence, the figures to remember, and what it takes to repeat the run. */
export function summarySection(result: RunResult): Markup {
  const { run, counts } = result;
  const { sign, label, tone } = RUN_VERDICT_LABELS[result.verdict];
  const versions = Object.entries(run.versions);
  const found = soakSentence(result);
  return html`<div class="card ${tone}" id="verdict" data-run-verdict="${result.verdict}">
<div class="banner ${tone}"><span class="sign" aria-hidden="true">${sign}</span><h1>${label}</h1><p>${verdictSentence(result)}</p>${found !== undefined && html`<p class="found">${found}</p>`}</div>
<ul class="counts" aria-label="Cases by verdict">${VERDICTS.filter((verdict) => counts.cases[verdict] > 0).map(
    (verdict) =>
      html`<li><span class="verdict ${VERDICT_LABELS[verdict].tone}">${plural(counts.cases[verdict], 'case')}: ${VERDICT_LABELS[verdict].label}</span></li>`,
  )}</ul>
</div>
<dl class="tiles">${tiles(result)}</dl>
<dl class="card facts">
${run.target !== null && html`<dt>Target</dt><dd>${run.target.name} ${run.target.version ?? ''}</dd>`}
${result.tiers.length > 0 && html`<dt>Tiers</dt><dd>${tiersText(result.tiers)}</dd>`}
<dt>Environment</dt><dd>${run.environment ?? 'unknown'}${versions.length > 0 && html` with ${versions.map(([name, version]) => `${name} ${version}`).join(', ')}`}</dd>
<dt>Profile, seed</dt><dd>${run.profile ?? 'unknown'}, <span class="mono">${run.seed ?? 'unknown'}</span></dd>
<dt>Started, took</dt><dd>${run.startedAt === null ? 'unknown' : html`<time datetime="${run.startedAt}">${run.startedAt.replace('T', ' ').replace(/\.\d+Z$|Z$/, ' UTC')}</time>`}, ${formatMs(run.durationMs)}</dd>
${!run.complete && html`<dt>Incomplete</dt><dd>${run.reason}</dd>`}
<dt>Exit code</dt><dd>${result.exitCode}</dd>
${run.command !== null && html`<dt>Repeat it</dt><dd class="command"><code id="command">${run.command}</code><button type="button" data-copy="command" hidden>Copy</button></dd>`}
</dl>`;
}

/** The series a headline figure comes from: the calm phase with the most samples. */
function headlineSeries(result: RunResult): LatencySeries | undefined {
  const bySize = result.latency.series.toSorted((a, b) => b.n - a.n);
  return bySize.find(({ phase }) => phase === 'baseline') ?? bySize[0];
}

function tiles(result: RunResult): Markup[] {
  const tile = (name: string, big: string, note: string): Markup =>
    html`<div class="card"><dt>${name}</dt><dd class="big">${big}</dd><dd class="note">${note}</dd></div>`;
  const shown: Markup[] = [];
  const series = headlineSeries(result);
  if (series !== undefined) {
    const where = `${series.phase}${series.case === null ? '' : ` of ${series.case}`}, n\u00a0=\u00a0${series.n}`;
    const resolution =
      series.resolutionMs === null ? '' : `, resolution\u00a0${formatMs(series.resolutionMs).replace(' ', '\u00a0')}`;
    shown.push(tile('Sync latency, p50', formatQuantile(series.p50), where + resolution));
    shown.push(tile('Sync latency, p99', formatQuantile(series.p99), series.p99.reason ?? where + resolution));
  }
  const losses = result.faults.map((fault) => fault.losses).filter((count) => count !== null);
  const lost = result.findings.filter(({ checker }) => checker === 'lost').length;
  shown.push(
    tile(
      'Acknowledged writes lost',
      losses.length === 0 && lost === 0 ? '–' : String(lost),
      lossNote(result, losses.length),
    ),
  );
  const drained = result.faults.map((fault) => fault.backlogDrainedMs).filter((ms) => ms !== null);
  if (drained.length > 0) {
    shown.push(
      tile(
        'Slowest recovery',
        formatMs(Math.max(...drained)),
        `healed → backlog drained, worst\u00a0of\u00a0${drained.length}`,
      ),
    );
  } else {
    const uploads = result.operations.find(({ kind, scope }) => kind === 'upload' && scope === 'during-fault');
    if (uploads?.availability != null) {
      shown.push(tile('Uploads during faults', formatShare(uploads.availability), `answered, n = ${uploads.n}`));
    }
  }
  return shown;
}

function lossNote({ faults }: RunResult, checked: number): string {
  if (faults.length === 0) return 'no fault was injected';
  return `checked for ${checked} of ${plural(faults.length, 'fault')}`;
}

/** One row group per requirement; its cases unfold, and are open where something needs reading. */
export function requirementsSection({ requirements }: RunResult): Markup {
  return html`<section id="requirements" aria-labelledby="requirements-title">
<h2 id="requirements-title">Requirements</h2>
<p class="lead">A requirement is as good as the worst of its cases. Beside each figure of the evidence: the least that allows a verdict.</p>
${
  requirements.length === 0
    ? html`<p class="card empty">No requirement was tried.</p>`
    : html`<div class="card"><table class="req"><thead><tr><th scope="col">Id</th><th scope="col">Verdict</th><th scope="col">Requirement</th><th scope="col" class="num">Took</th></tr></thead>
${requirements.map(requirementRows)}</table></div>`
}
</section>`;
}

function requirementRows({ id, level, tier, title, verdict, cases }: RequirementResult): Markup {
  const calm = verdict === 'pass' || verdict === 'xfail' || verdict === 'skip';
  const only = cases.length === 1 ? cases[0] : undefined;
  const tookMs = Math.max(0, ...cases.map(({ durationMs }) => durationMs ?? 0));
  const place = [level, tier].filter((part) => part !== undefined).join(', ');
  return html`<tbody data-requirement="${id}" data-requirement-verdict="${verdict}"><tr><th scope="row" id="${id}">${id}</th><td>${verdictBadge(verdict)}</td>
<td class="text">${title}${place !== '' && html`<span class="sub">${place}</span>`}
${calm && only !== undefined && evidenceList(only.evidence, only.floor)}<details${calm ? '' : html` open`}><summary>${plural(cases.length, 'case')}${caseCounts(cases)}</summary><ol class="cases">${cases.map(caseItem)}</ol></details></td>
<td class="num">${tookMs === 0 ? '–' : formatMs(tookMs)}</td></tr></tbody>`;
}

function caseCounts(cases: readonly CaseResult[]): string {
  const groups = Map.groupBy(cases, ({ verdict }) => VERDICT_LABELS[verdict].label);
  return `: ${[...groups].map(([label, group]) => `${group.length} ${label}`).join(', ')}`;
}

function caseItem(result: CaseResult): Markup {
  const { key, title, verdict, durationMs, reason, evidence, floor, environments = [] } = result;
  return html`<li data-case="${key}"><div class="head">${verdictBadge(verdict)}<span class="mono">${key}</span><span>${title}</span><span class="ms">${
    durationMs === null ? 'never ended' : formatMs(durationMs)
  }</span></div>
${reason !== undefined && html`<p class="reason ${VERDICT_LABELS[verdict].tone}">${reason}</p>`}
${evidenceList(evidence, floor)}
${evidenceFolders(result).map(evidenceLinks)}
${environments.length > 0 && html`<p class="places">Ran in environment <span class="mono">${environments.join(', ')}</span></p>`}</li>`;
}

function evidenceLinks([folder, files]: [string, string[]]): Markup {
  // Relative, whatever the history says: a colon would make it a link of another scheme.
  const link = (path: string): Markup =>
    html`<a href="${path.split('/').map(encodeURIComponent).join('/')}">${path.slice(folder.length + 1)}</a> `;
  return html`<p class="places" data-evidence="${folder}"><span class="mono">${folder}/</span> ${files.map(link)}</p>`;
}

function evidenceList(evidence: CaseResult['evidence'], floor: CaseResult['floor']): Markup | undefined {
  const entries = Object.entries(evidence);
  if (entries.length === 0) return undefined;
  return html`<ul class="evidence" aria-label="Evidence">${entries.map(([name, value]) => evidenceItem(name, value, floor[name]))}</ul>`;
}

function evidenceItem(name: string, value: number | string, least: number | undefined): Markup {
  const below = typeof value === 'number' && least !== undefined && value < least;
  const text = typeof value === 'number' && !Number.isInteger(value) ? String(Math.round(value * 100) / 100) : value;
  return html`<li${below && html` class="below"`}>${name} <b>${text}</b>${least !== undefined && ` (${below ? 'below' : '≥'} ${least})`}</li>`;
}
