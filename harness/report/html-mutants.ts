import { plural } from './format.ts';
import { html, type Markup } from './markup.ts';
import type { KillMatrix, RunResult } from './result.ts';

/** What the cases are worth: which broken variants of the reference each of them was seen to catch. */
export function mutantsSection({ mutants }: RunResult): Markup | undefined {
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
