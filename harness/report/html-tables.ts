import { formatMs, formatShare, plural } from './format.ts';
import { distributionCells, distributionHead } from './html-latency.ts';
import { html, type Markup } from './markup.ts';
import type { RunResult } from './result.ts';

const FINDINGS_MAX = 200;

export function findingsSection({ findings }: RunResult): Markup {
  if (findings.length === 0) return html``;
  const shown = findings.slice(0, FINDINGS_MAX);
  return html`<section id="findings" aria-labelledby="findings-title">
<h2 id="findings-title">Findings of the checkers</h2>
<p class="lead">${plural(findings.length, 'violated guarantee')}, each with the file that shows it${findings.length > shown.length && `; the first ${shown.length} are listed, all are in result.json`}.</p>
<div class="card scroll" tabindex="0" role="region" aria-label="Findings"><table><thead><tr><th scope="col">Checker</th><th scope="col">Case</th><th scope="col">What</th><th scope="col">File</th></tr></thead>
<tbody>${shown.map(
    ({ checker, case: key, message, fileId }) =>
      html`<tr data-finding><th scope="row">${checker}</th><td class="key">${key ?? '–'}</td><td>${message}</td><td class="mono">${fileId ?? '–'}</td></tr>`,
  )}</tbody></table></div>
</section>`;
}

export function operationsSection({ operations }: RunResult): Markup {
  return html`<section id="operations" aria-labelledby="operations-title">
<h2 id="operations-title">Operations: latency and availability</h2>
<p class="lead">From due time to answer. Available means answered with yes or a definite no; a 5xx, a refused connection and a timeout are not.</p>
${
  operations.length === 0
    ? html`<p class="card empty">No operation was recorded.</p>`
    : html`<div class="card scroll" tabindex="0" role="region" aria-label="Operations"><table><thead><tr><th scope="col">Operation</th><th scope="col">When</th><th scope="col" class="num">Available</th>${distributionHead()}</tr></thead>
<tbody>${operations.map(
        (
          each,
        ) => html`<tr><th scope="row">${each.kind}</th><td>${each.scope === 'steady' ? 'no fault on' : 'during a fault'}</td>
<td class="num">${each.availability === null ? '–' : formatShare(each.availability)}<span class="sub">${outcomes(each)}</span></td>${distributionCells(each)}</tr>`,
      )}</tbody></table></div>`
}
</section>`;
}

function outcomes({ ok, refused, failed, unknown }: RunResult['operations'][number]): string {
  return [
    `${ok} ok`,
    refused > 0 && `${refused} refused`,
    failed > 0 && `${failed} failed`,
    unknown > 0 && `${unknown} unknown`,
  ]
    .filter((part) => part !== false)
    .join(', ');
}

export function hopsSection({ hops }: RunResult): Markup {
  if (hops.length === 0) return html``;
  return html`<section id="hops" aria-labelledby="hops-title">
<h2 id="hops-title">Where the time goes</h2>
<p class="lead">Hops of the watched writes, as far as the target lets them be seen. Negative: it happened before the client had its answer.</p>
<div class="card scroll" tabindex="0" role="region" aria-label="Hops"><table><thead><tr><th scope="col">From</th><th scope="col">To</th>${distributionHead()}</tr></thead>
<tbody>${hops.map((hop) => html`<tr><th scope="row">${hop.from}</th><td>${hop.to}</td>${distributionCells(hop)}</tr>`)}</tbody></table></div>
</section>`;
}

export function figuresSection({ figures }: RunResult): Markup {
  if (figures.length === 0) return html``;
  return html`<section id="figures" aria-labelledby="figures-title">
<h2 id="figures-title">Other figures</h2>
<div class="card scroll" tabindex="0" role="region" aria-label="Figures"><table><thead><tr><th scope="col">Figure</th><th scope="col" class="num">Value</th><th scope="col">Where</th><th scope="col">Detail</th></tr></thead>
<tbody>${figures.map(
    ({ name, value, unit, detail, case: key }) =>
      html`<tr><th scope="row">${name}</th><td class="num">${unit === 'ms' ? formatMs(value) : `${Math.round(value * 1000) / 1000} ${unit}`}</td><td>${key ?? 'run'}</td><td>${detail ?? ''}</td></tr>`,
  )}</tbody></table></div>
</section>`;
}
