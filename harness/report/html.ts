import { createHash } from 'node:crypto';
import { formatBytes, formatMs, formatShare, plural } from './format.ts';
import { availabilitySection, faultsSection } from './html-faults.ts';
import { distributionCells, distributionHead, latencySection } from './html-latency.ts';
import { SCRIPT, STYLE } from './html-style.ts';
import { requirementsSection, summarySection } from './html-summary.ts';
import { html, type Markup, trusted } from './markup.ts';
import type { KillMatrix, MemoryResult, RunResult } from './result.ts';

/** The whole report as one self-contained page: no request leaves it, and its own policy would stop one. */
export function renderHtml(result: RunResult): string {
  const policy = `default-src 'none'; style-src ${sha256(STYLE)}; script-src ${sha256(SCRIPT)}; base-uri 'none'; form-action 'none'`;
  const { run } = result;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>syncproof: ${result.verdict}, ${plural(result.requirements.length, 'requirement')} (${run.id})</title>
<style>${trusted(STYLE)}</style>
</head>
<body>
<header class="top"><b>syncproof</b><span>run <span class="mono">${run.id}</span></span>
<nav aria-label="Sections"><a href="#requirements">Requirements</a><a href="#latency">Latency</a><a href="#faults">Faults</a><a href="#operations">Operations</a></nav></header>
<main>
${summarySection(result)}
${findingsSection(result)}
${requirementsSection(result)}
${latencySection(result)}
${faultsSection(result)}
${availabilitySection(result)}
${operationsSection(result)}
${hopsSection(result)}
${memorySection(result)}
${figuresSection(result)}
${mutantsSection(result)}
</main>
<footer>Drawn from <a href="result.json">result.json</a>, which is folded from <a href="history.jsonl">history.jsonl</a>. Also beside this file: <a href="junit.xml">junit.xml</a>, <a href="summary.md">summary.md</a>.</footer>
<script>${trusted(SCRIPT)}</script>
</body>
</html>
`.toString();
}

function sha256(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}

const FINDINGS_MAX = 200;

function findingsSection({ findings }: RunResult): Markup {
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

function operationsSection({ operations }: RunResult): Markup {
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

function hopsSection({ hops }: RunResult): Markup {
  if (hops.length === 0) return html``;
  return html`<section id="hops" aria-labelledby="hops-title">
<h2 id="hops-title">Where the time goes</h2>
<p class="lead">Hops of the watched writes, as far as the target lets them be seen. Negative: it happened before the client had its answer.</p>
<div class="card scroll" tabindex="0" role="region" aria-label="Hops"><table><thead><tr><th scope="col">From</th><th scope="col">To</th>${distributionHead()}</tr></thead>
<tbody>${hops.map((hop) => html`<tr><th scope="row">${hop.from}</th><td>${hop.to}</td>${distributionCells(hop)}</tr>`)}</tbody></table></div>
</section>`;
}

function figuresSection({ figures }: RunResult): Markup {
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

function memorySection({ memory }: RunResult): Markup {
  if (memory.length === 0) return html``;
  return html`<section id="memory" aria-labelledby="memory-title">
<h2 id="memory-title">Memory</h2>
<p class="lead">Resident memory of each part, looked at again and again while the case ran; of PostgreSQL that of all its processes, what they share counted once; of a container the anonymous memory of its control group. A part that was killed began anew.</p>
<div class="card scroll" tabindex="0" role="region" aria-label="Memory"><table><thead><tr><th scope="col">Component</th><th scope="col">Case</th><th scope="col" class="num">At start</th><th scope="col" class="num">Most</th><th scope="col" class="num">At end</th><th scope="col" class="num">End against start</th><th scope="col" class="num">Samples</th></tr></thead>
<tbody>${memory.map(memoryRow)}</tbody></table></div>
</section>`;
}

function memoryRow({ part, case: key, samples, startBytes, mostBytes, mostAt, endBytes }: MemoryResult): Markup {
  const grew = endBytes - startBytes;
  return html`<tr data-memory="${part}"><th scope="row">${part}</th><td class="key">${key ?? '–'}</td><td class="num">${formatBytes(startBytes)}</td>
<td class="num">${formatBytes(mostBytes)}<span class="sub">at ${formatMs(mostAt)}</span></td><td class="num">${formatBytes(endBytes)}</td>
<td class="num">${grew < 0 ? '−' : '+'}${formatBytes(Math.abs(grew))}</td><td class="num">${samples}</td></tr>`;
}

/** What the cases are worth: which broken variants of the reference each of them was seen to catch. */
function mutantsSection({ mutants }: RunResult): Markup | undefined {
  if (mutants === null) return undefined;
  const { trials, madeAt } = mutants;
  const killed = trials.filter((trial) => trial.killed).length;
  return html`<section id="mutants" aria-labelledby="mutants-title">
<h2 id="mutants-title">Broken variants</h2>
<p class="lead">The suite is tested itself: each variant breaks the reference in one way, and the case named for it must find that. ${killed} of ${plural(trials.length, 'trial')} did, on ${madeAt.slice(0, 10)} with this ledger.</p>
<div class="card"><table><thead><tr><th scope="col">Case</th><th scope="col">Found</th><th scope="col">What was broken</th></tr></thead><tbody>
${[...Map.groupBy(trials, (trial) => trial.case)].map(([key, own]) => caseRows(key, own))}</tbody></table></div>
</section>`;
}

function caseRows(key: string, trials: KillMatrix['trials']): Markup[] {
  return trials.map(
    ({ mutant, defect, killed, verdict }, index) =>
      html`<tr data-mutant="${mutant}">${index === 0 && html`<th scope="rowgroup" rowspan="${trials.length}" class="mono">${key}</th>`}<td>${
        killed
          ? html`<span class="verdict good"><span aria-hidden="true">✓</span> killed</span>`
          : html`<span class="verdict bad"><span aria-hidden="true">✕</span> survived (${verdict})</span>`
      }</td><td class="text">${defect}<span class="sub mono">${mutant}</span></td></tr>`,
  );
}
