import { formatMs, formatQuantile, plural } from './format.ts';
import { html, type Markup } from './markup.ts';
import { latencyPanel, type Panel, type PlotScale } from './plot.ts';
import type { Distribution, Quantile, RunResult } from './result.ts';

/** Cases with fewer samples than this and no fault share one panel. */
const OWN_PANEL_SAMPLES_MIN = 30;

/** The plot, panel by panel, and the percentiles that belong to it. */
export function latencySection(result: RunResult): Markup {
  const { samples, series } = result.latency;
  const panels = panelsOf(result);
  const scale = scaleOf(result);
  return html`<section id="latency" aria-labelledby="latency-title">
<h2 id="latency-title">Sync latency: from write to searchable</h2>
<p class="lead">Counted from the moment the load was meant to send the write. Each mark is an interval: the write became visible after the last read that missed it and by the first that showed it.</p>
${
  panels.length === 0
    ? html`<p class="card empty">No write was watched until it became visible, and no fault was injected.</p>`
    : html`<div class="card" data-plot>
<ul class="legend">${[...scale.phases].map(
        ([phase, colour]) =>
          html`<li><svg width="14" height="14" aria-hidden="true"><path class="s c${colour}" d="M7 11V3"/></svg>${phase}</li>`,
      )}
<li><svg width="14" height="14" aria-hidden="true"><path class="s open c5" d="M7 7V7"/></svg>pale: the first read already saw it</li>
<li><svg width="14" height="14" aria-hidden="true"><path class="s censored c5" d="M7 3l5 9h-10z"/></svg>on the top edge: never visible while watched</li>
<li><svg width="20" height="14" aria-hidden="true"><rect class="band" width="20" height="14"/><path class="band-edge" d="M1 0V14"/></svg>a fault was on</li></ul>
${panels.map(
  (
    panel,
  ) => html`<figure><figcaption>${panel.title} <span>${plural(panel.samples.length, 'sample')}, ${plural(panel.faults.length, 'fault')}</span></figcaption>
<div class="scroll" tabindex="0" role="region" aria-label="Plot of ${panel.title}">${latencyPanel(panel, scale)}</div></figure>`,
)}</div>`
}
${
  samples.length > 0 &&
  html`<div class="card scroll" tabindex="0" role="region" aria-label="Percentiles"><table id="percentiles"><thead><tr><th scope="col">Case</th><th scope="col">Phase</th>${distributionHead()}</tr></thead>
<tbody>${series.map((each) => html`<tr data-series><th scope="row">${each.case ?? 'no case'}</th><td>${each.phase}</td>${distributionCells(each)}</tr>`)}</tbody></table></div>`
}
</section>`;
}

export function distributionHead(): Markup {
  return html`<th scope="col" class="num">n</th><th scope="col" class="num">p50</th><th scope="col" class="num">p95</th><th scope="col" class="num">p99</th><th scope="col" class="num">max</th><th scope="col" class="num">resolution</th>`;
}

export function distributionCells({ n, censored, p50, p95, p99, max, resolutionMs }: Distribution): Markup {
  return html`<td class="num">${n}${censored > 0 && html`<span class="sub">${censored} censored</span>`}</td>${[
    p50,
    p95,
    p99,
    max,
  ].map(
    (quantile) =>
      html`<td class="num">${quantile.lowMs !== null && formatQuantile(quantile)}${quantileReason(quantile)}</td>`,
  )}<td class="num">${resolutionMs === null ? '–' : resolutionMs === 0 ? 'exact' : formatMs(resolutionMs)}</td>`;
}

function quantileReason({ lowMs, reason }: Quantile): Markup | undefined {
  if (reason === undefined) return undefined;
  return html`<span class="${lowMs === null ? 'why' : 'sub'}">${reason}</span>`;
}

/** A panel per case with enough to show, those with faults first; what remains shares the last one. */
function panelsOf({ latency, faults }: RunResult): Panel[] {
  const samples = Map.groupBy(latency.samples, (sample) => sample.case);
  const faultsOf = Map.groupBy(faults, (fault) => fault.case);
  const keys = [...new Set([...samples.keys(), ...faultsOf.keys()])];
  const own: Panel[] = [];
  const rest: Panel[] = [];
  for (const key of keys) {
    const panel = {
      id: '',
      title: key ?? 'Outside the cases',
      samples: samples.get(key) ?? [],
      faults: faultsOf.get(key) ?? [],
    };
    (panel.faults.length > 0 || panel.samples.length >= OWN_PANEL_SAMPLES_MIN ? own : rest).push(panel);
  }
  own.sort((a, b) => b.faults.length - a.faults.length || b.samples.length - a.samples.length);
  if (rest.length > 0) {
    const title = rest.length === 1 ? (rest[0]?.title ?? '') : `${rest.length} cases with few samples`;
    own.push({ id: '', title, samples: rest.flatMap((panel) => panel.samples), faults: [] });
  }
  return own.map((panel, index) => ({ ...panel, id: `panel-${index + 1}` }));
}

/** Phases that every outage has keep their colours from report to report; others take what is left. */
const PHASE_COLOURS: ReadonlyMap<string, number> = new Map([
  ['baseline', 0],
  ['outage', 1],
  ['recovery', 2],
]);

function colourPhases(phases: ReadonlySet<string>): Map<string, number> {
  const usual = [...PHASE_COLOURS].filter(([phase]) => phases.has(phase));
  const others = [...phases].filter((phase) => !PHASE_COLOURS.has(phase));
  return new Map([...usual, ...others.map((phase, index): [string, number] => [phase, 3 + (index % 3)])]);
}

function scaleOf({ latency, run }: RunResult): PlotScale {
  let [lowMs, highMs] = [Infinity, 0];
  const named = new Set<string>();
  for (const { lowMs: low, highMs: high, waitedMs, phase } of latency.samples) {
    lowMs = Math.min(lowMs, Math.max(low ?? high ?? waitedMs, 0.1));
    highMs = Math.max(highMs, waitedMs);
    named.add(phase);
  }
  const phases = colourPhases(named);
  const decade = (value: number, towards: (exponent: number) => number): number => 10 ** towards(Math.log10(value));
  return highMs === 0
    ? { lowMs: 1, highMs: 1000, phases, endAt: run.durationMs }
    : {
        lowMs: decade(lowMs, Math.floor),
        highMs: Math.max(highMs * 1.15, decade(lowMs, Math.floor) * 100),
        phases,
        endAt: run.durationMs,
      };
}
