import { formatMs, plural, VERDICT_LABELS } from './format.ts';
import { verdictBadge } from './html-summary.ts';
import { html, type Markup } from './markup.ts';
import type { CaseResult, RequirementResult, RunResult } from './result.ts';

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

function caseItem({ key, title, verdict, durationMs, reason, evidence, floor }: CaseResult): Markup {
  return html`<li data-case="${key}"><div class="head">${verdictBadge(verdict)}<span class="mono">${key}</span><span>${title}</span><span class="ms">${
    durationMs === null ? 'never ended' : formatMs(durationMs)
  }</span></div>
${reason !== undefined && html`<p class="reason ${VERDICT_LABELS[verdict].tone}">${reason}</p>`}
${evidenceList(evidence, floor)}</li>`;
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
