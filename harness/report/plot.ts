import { scaleLinear, scaleLog } from 'd3-scale';
import { formatMs, plural } from './format.ts';
import { html, type Markup, trusted } from './markup.ts';
import type { FaultResult, LatencySample } from './result.ts';

/** One panel: the samples and faults of one case (each case has servers of its own, so bands belong to a case). */
export interface Panel {
  id: string;
  title: string;
  samples: readonly LatencySample[];
  faults: readonly FaultResult[];
}

export interface PlotScale {
  /** Latencies in ms that the vertical axis spans, the same on every panel. */
  lowMs: number;
  highMs: number;
  /** Colour class (0 …) of each phase. */
  phases: ReadonlyMap<string, number>;
  /** Run's end in ms: where a fault that never healed is drawn to. */
  endAt: number;
}

/** More marks than this per panel are thinned, the slowest kept: a browser should open the file at once. */
const MARKS_MAX = 6000;

const WIDTH = 1080;
const LEFT = 84;
const RIGHT = 16;
const PLOT_HEIGHT = 190;
const BAND_ROW = 18;
const LABEL_CHARACTER = 6.7;
/** More faults than this in a panel have a lane per part, in place of a label each. */
const LABELS_MAX = 20;
const LANE_ROW = 16;
const BAR_HEIGHT = 10;

/** Latency over the run's time on a log axis: one mark per sample, from its lower to its upper bound; faults as bands. */
export function latencyPanel({ id, title, samples, faults }: Panel, scale: PlotScale): Markup {
  const shown = thin(samples);
  const bands = faults.map((fault) => ({
    fault,
    from: fault.effectiveAt ?? fault.requestedAt,
    to: fault.healedAt ?? scale.endAt,
  }));
  const x = scaleLinear()
    .domain(timeDomain(samples, bands))
    .range([LEFT, WIDTH - RIGHT]);
  const inLanes = faults.length > LABELS_MAX;
  const labels = inLanes ? [] : placeLabels(bands.map((band) => ({ ...band, left: x(band.from) })));
  const lanes = inLanes ? [...new Set(faults.map(({ target }) => target))].sort() : [];
  const rows = Math.max(0, ...labels.map(({ row }) => row + 1));
  const top = 20 + rows * BAND_ROW + lanes.length * LANE_ROW;
  const bottom = top + PLOT_HEIGHT;
  const height = bottom + 46;
  const y = scaleLog().domain([scale.lowMs, scale.highMs]).range([bottom, top]).clamp(true);
  const decades = y.ticks().filter((tick) => Number.isInteger(Math.round(Math.log10(tick) * 1e6) / 1e6));
  const minor = y.ticks().filter((tick) => !decades.includes(tick));
  const censored = samples.filter(({ highMs }) => highMs === null).length;

  return html`<svg class="panel" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="${id}-title ${id}-desc" data-panel="${title}" data-samples="${samples.length}">
<title id="${id}-title">Sync latency over time: ${title}</title>
<desc id="${id}-desc">${panelSummary(samples, faults, censored)}</desc>
${bands.map(({ fault, from, to }) => {
  const at = inLanes
    ? { y: 16 + lanes.indexOf(fault.target) * LANE_ROW, height: BAR_HEIGHT }
    : { y: top, height: PLOT_HEIGHT };
  return html`<rect class="band${inLanes && ' lane'}" data-fault="${fault.id}" x="${px(x(from))}" y="${at.y}" width="${px(
    Math.max(inLanes ? 1 : 2, x(to) - x(from)),
  )}" height="${at.height}"><title>${bandTitle(fault, from, to)}</title></rect>`;
})}
${lanes.map((lane, row) => html`<text class="tick" x="${LEFT - 8}" y="${25 + row * LANE_ROW}" text-anchor="end">${lane}</text>`)}
${labels.map(
  ({ fault, left, row, anchor }) => html`<path class="band-edge" d="M${px(left)} ${20 + row * BAND_ROW - 4}V${bottom}"/>
<text class="band-label" x="${px(anchor === 'end' ? left - 5 : left + 5)}" y="${20 + row * BAND_ROW + 7}" text-anchor="${anchor}">${labelOf(fault)}</text>`,
)}
<path class="grid minor" d="${minor.map((tick) => `M${LEFT} ${px(y(tick))}H${WIDTH - RIGHT}`).join('')}"/>
<path class="grid" d="${decades.map((tick) => `M${LEFT} ${px(y(tick))}H${WIDTH - RIGHT}`).join('')}"/>
${decades.map((tick) => html`<text class="tick" x="${LEFT - 8}" y="${px(y(tick) + 4)}" text-anchor="end">${formatMs(tick)}</text>`)}
${x.ticks(10).map((tick) => html`<path class="axis" d="M${px(x(tick))} ${bottom}v5"/><text class="tick" x="${px(x(tick))}" y="${bottom + 19}" text-anchor="middle">${seconds(tick)}</text>`)}
<path class="axis" d="M${LEFT} ${top}V${bottom}H${WIDTH - RIGHT}"/>
<text class="axis-title" x="${WIDTH - RIGHT}" y="${bottom + 38}" text-anchor="end">time since the run started, in s</text>
<text class="axis-title" x="${-(top + bottom) / 2}" y="13" transform="rotate(-90)" text-anchor="middle">sync latency (log)</text>
<g class="marks">${shown.map((sample) => mark(sample, x, y, top, scale))}</g>
${shown.length < samples.length && html`<text class="axis-title" x="${LEFT}" y="${bottom + 38}">${plural(shown.length, 'mark')} of ${plural(samples.length, 'sample')} drawn, the slowest all</text>`}
</svg>`;
}

function mark(
  sample: LatencySample,
  x: (value: number) => number,
  y: (value: number) => number,
  top: number,
  { phases }: PlotScale,
): Markup {
  const left = px(x(sample.at));
  const colour = `c${phases.get(sample.phase) ?? 0}`;
  const title = html`<title>${sampleTitle(sample)}</title>`;
  if (sample.highMs === null) {
    // On the top edge, pointing out of the plot: it took longer than was watched.
    return html`<path class="s censored ${colour}" d="M${left} ${top - 7}l4.5 8h-9z">${title}</path>`;
  }
  const high = px(y(sample.highMs));
  const low = sample.lowMs === null ? high : px(y(Math.max(sample.lowMs, 1e-3)));
  const open = sample.lowMs === null && ' open';
  return html`<path class="s ${colour}${open}" d="${trusted(`M${left} ${low}V${high}`)}">${title}</path>`;
}

function sampleTitle({ kind, phase, at, lowMs, highMs, waitedMs, fileId }: LatencySample): string {
  const took =
    highMs === null
      ? `not visible after ${formatMs(waitedMs)}`
      : lowMs === null
        ? `≤ ${formatMs(highMs)}, seen by the first read`
        : `between ${formatMs(lowMs)} and ${formatMs(highMs)}`;
  return `${kind}, ${phase}, at ${seconds(at)} s: ${took} (${fileId})`;
}

/** The slowest and the censored always, of the rest every n-th. */
function thin(samples: readonly LatencySample[]): readonly LatencySample[] {
  if (samples.length <= MARKS_MAX) return samples;
  const slowest = new Set(samples.toSorted((a, b) => b.waitedMs - a.waitedMs).slice(0, MARKS_MAX / 4));
  const step = Math.ceil(samples.length / (MARKS_MAX * 0.75));
  return samples.filter((sample, index) => slowest.has(sample) || index % step === 0);
}

interface Band {
  fault: FaultResult;
  from: number;
  to: number;
}

function timeDomain(samples: readonly LatencySample[], bands: readonly Band[]): [number, number] {
  let [from, to] = [Infinity, -Infinity];
  for (const { at } of samples) [from, to] = [Math.min(from, at), Math.max(to, at)];
  for (const band of bands) [from, to] = [Math.min(from, band.from), Math.max(to, band.to)];
  if (from > to) return [0, 1000];
  const margin = Math.max(50, (to - from) * 0.02);
  return [Math.max(0, from - margin), to + margin];
}

/** Each label on the first row where it does not run into the one before. */
function placeLabels(bands: readonly (Band & { left: number })[]) {
  const ends: number[] = [];
  return bands
    .toSorted((a, b) => a.left - b.left)
    .map(({ fault, left }) => {
      const width = labelOf(fault).length * LABEL_CHARACTER + 10;
      const anchor = left + width > WIDTH ? ('end' as const) : ('start' as const);
      const [from, to] = anchor === 'end' ? [left - width, left] : [left, left + width];
      let row = ends.findIndex((end) => end <= from);
      if (row === -1) row = ends.length;
      ends[row] = to;
      return { fault, left, row, anchor };
    });
}

function labelOf({ kind, effectiveAt, healedAt }: FaultResult): string {
  if (effectiveAt === null) return `${kind} (unwitnessed)`;
  return healedAt === null ? `${kind}, not healed` : `${kind} ${formatMs(healedAt - effectiveAt)}`;
}

function bandTitle({ kind, target, witness, healedAt }: FaultResult, from: number, to: number): string {
  const until = healedAt === null ? 'never healed' : `healed at ${seconds(to)} s`;
  return `${kind} (${target}) from ${seconds(from)} s, ${until}; witness: ${witness ?? 'none'}`;
}

function panelSummary(samples: readonly LatencySample[], faults: readonly FaultResult[], censored: number): string {
  const late = censored === 0 ? '' : `, ${censored} of them never visible while watched`;
  const during =
    faults.length === 0
      ? 'no fault'
      : faults.length > LABELS_MAX
        ? `${plural(faults.length, 'fault')}, in a lane for each component`
        : faults.map(labelOf).join(', ');
  return `${plural(samples.length, 'sample')}${late}; ${during}. The figures are in the table below.`;
}

const px = (value: number): number => Math.round(value * 10) / 10;

const seconds = (ms: number): string => String(Math.round(ms / 10) / 100);
