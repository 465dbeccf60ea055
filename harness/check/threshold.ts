import { UsageError } from '../core/errors.ts';
import type { HistoryRecord, Verdict, Visibility } from '../record/history.ts';
import { type Interval, type LatencyBasis, quantileOf, syncLatency, visibilitySamples } from './latency.ts';
import { type Recovery, recoveries } from './recovery.ts';

/**
 * Thresholds gate a run: `sync_latency{phase=baseline}: p(95)<500ms n>=200`, `recovery{fault=redis-killed}: max<10s`.
 *
 *   threshold = metric [ "{" label "=" value { "," label "=" value } "}" ] ":" condition { condition }
 *   condition = ( "p(" 1-100 ")" | "max" ) ( "<" | "<=" ) number ( "us" | "ms" | "s" | "min" )  |  "n" ( ">" | ">=" ) count
 */
interface Threshold {
  expression: string;
  metric: MetricName;
  labels: Readonly<Record<string, string>>;
  limits: readonly Limit[];
  /** Fewest samples; at least 1. */
  samplesMin: number;
}

interface Limit {
  /** As written, e.g. `p(95)<500ms`. */
  text: string;
  /** 0.95 for `p(95)`, 1 for `max`. */
  fraction: number;
  inclusive: boolean;
  limitMs: number;
}

interface ThresholdResult {
  expression: string;
  verdict: Extract<Verdict, 'pass' | 'fail' | 'inconclusive'>;
  n: number;
  /** What was seen of each limit, and why it is no pass. One line. */
  reason: string;
}

interface Measured {
  samples: Interval[];
  /** What should have been measured and was not: it rules out a pass. */
  unmeasured: number;
}

interface Metric {
  labels: readonly string[];
  measure(records: readonly HistoryRecord[], labels: Readonly<Record<string, string>>): Measured;
}

const METRICS = {
  /** Intended send → visible. */
  sync_latency: latencyMetric('intended'),
  /** Acknowledged → visible. */
  accepted_latency: latencyMetric('accepted'),
  /** Effective → the pipeline said so. */
  detection: faultMetric(({ detectedMs }) => detectedMs),
  /** Healed → first write applied. */
  first_success: faultMetric(({ firstSuccessAfterMs }) => firstSuccessAfterMs),
  /** Healed → backlog drained. */
  recovery: faultMetric(({ backlogDrainedMs }) => backlogDrainedMs),
} satisfies Record<string, Metric>;

type MetricName = keyof typeof METRICS;

function latencyMetric(basis: LatencyBasis): Metric {
  const values: Record<string, (sample: Visibility) => string | undefined> = {
    phase: ({ phase }) => phase,
    kind: ({ kind }) => kind,
    case: (sample) => sample.case,
  };
  return {
    labels: Object.keys(values),
    measure: (records, labels) => {
      const samples = chosen(visibilitySamples(records), labels, values);
      return { samples: samples.map((sample) => syncLatency(sample, basis)), unmeasured: 0 };
    },
  };
}

function faultMetric(durationOf: (recovery: Recovery) => number | null): Metric {
  const values: Record<string, (recovery: Recovery) => string | undefined> = {
    fault: ({ fault }) => fault.kind,
    target: ({ fault }) => fault.target,
    case: ({ fault }) => fault.case,
  };
  return {
    labels: Object.keys(values),
    measure: (records, labels) => {
      const own = chosen(recoveries(records), labels, values);
      const durations = own.map(durationOf).filter((ms) => ms !== null);
      const samples = durations.map((ms) => ({ lowMs: ms, highMs: ms }));
      return { samples, unmeasured: own.length - durations.length };
    },
  };
}

/** Those that have these labels. */
function chosen<T>(
  all: readonly T[],
  labels: Readonly<Record<string, string>>,
  values: Readonly<Record<string, (each: T) => string | undefined>>,
): T[] {
  return all.filter((each) => Object.entries(labels).every(([name, value]) => values[name]?.(each) === value));
}

const EXPRESSION = /^\s*([a-z_]+)\s*(?:\{([^{}]*)\})?\s*:\s*(.+?)\s*$/;
const LABEL = /^\s*([a-z_]+)\s*=\s*([^\s,="{}]+)\s*$/;
const LIMIT = /^(?:p\((\d+(?:\.\d+)?)\)|max)(<=?)(\d+(?:\.\d+)?)(us|ms|s|min)$/;
const COUNT = /^n(>=?)(\d+)$/;
const UNIT_MS: Record<string, number> = { us: 0.001, ms: 1, s: 1000, min: 60_000 };

/** @throws UsageError naming the expression, what was expected and what was found */
export function parseThreshold(expression: string): Threshold {
  const [, name = '', labelText, conditionText = ''] =
    EXPRESSION.exec(expression) ?? refuse(expression, 'metric{label=value}: condition …', `"${expression}"`);
  const metric = Object.keys(METRICS).find((known): known is MetricName => known === name);
  if (metric === undefined) refuse(expression, `one of the metrics ${Object.keys(METRICS).join(', ')}`, `"${name}"`);
  const limits: Limit[] = [];
  let samplesMin = 1;
  // Spaces around an operator are allowed; between conditions they are needed.
  for (const text of conditionText.replaceAll(/\s*([<>]=?)\s*/g, '$1').split(/[\s,]+/)) {
    const count = COUNT.exec(text);
    if (count !== null) samplesMin = Math.max(samplesMin, Number(count[2]) + (count[1] === '>' ? 1 : 0));
    else limits.push(parseLimit(expression, text));
  }
  if (limits.length === 0) refuse(expression, 'a limit such as p(95)<500ms', `only "${conditionText}"`);
  return { expression, metric, labels: parseLabels(expression, labelText, METRICS[metric].labels), limits, samplesMin };
}

function parseLimit(expression: string, text: string): Limit {
  const [, percentile, operator, value, unit = ''] =
    LIMIT.exec(text) ?? refuse(expression, 'p(95)<500ms, max<10s (us, ms, s, min) or n>=200', `"${text}"`);
  const percent = percentile === undefined ? 100 : Number(percentile);
  if (percent <= 0 || percent > 100) refuse(expression, 'a percentile above 0 and up to 100', `"${text}"`);
  const limitMs = Number(value) * (UNIT_MS[unit] ?? Number.NaN);
  return { text, fraction: percent / 100, inclusive: operator === '<=', limitMs };
}

function parseLabels(expression: string, text: string | undefined, known: readonly string[]): Record<string, string> {
  if (text === undefined || text.trim() === '') return {};
  const pairs = text.split(',').map((pair): [string, string] => {
    const [, name = '', value = ''] = LABEL.exec(pair) ?? refuse(expression, 'label=value', `"${pair.trim()}"`);
    if (!known.includes(name)) refuse(expression, `one of the labels ${known.join(', ')}`, `"${name}"`);
    return [name, value];
  });
  return Object.fromEntries(pairs);
}

function refuse(expression: string, expected: string, got: string): never {
  throw new UsageError(`Expected threshold "${expression}" to have ${expected}, got ${got}`, { facts: { expression } });
}

/**
 * Checks a history against a threshold. A limit is kept when the figure's upper bound keeps it, and broken when the
 * lower bound breaks it; in between the measurement is too coarse. Zero samples, fewer than asked for, and faults whose
 * time was not measured are inconclusive, never a pass.
 */
export function evaluateThreshold(threshold: Threshold, records: readonly HistoryRecord[]): ThresholdResult {
  const { expression, metric, labels, limits, samplesMin } = threshold;
  const { samples, unmeasured } = METRICS[metric].measure(records, labels);
  const n = samples.length;
  if (n < samplesMin) {
    return { expression, verdict: 'inconclusive', n, reason: `${n} samples, needs ${samplesMin}` };
  }
  const results = limits.map((limit) => evaluateLimit(limit, samples));
  if (unmeasured > 0) results.push({ verdict: 'inconclusive', reason: `${unmeasured} faults without a measured time` });
  const verdict = (['fail', 'inconclusive'] as const).find((bad) => results.some((each) => each.verdict === bad));
  return { expression, verdict: verdict ?? 'pass', n, reason: results.map(({ reason }) => reason).join('; ') };
}

function evaluateLimit(limit: Limit, samples: readonly Interval[]): Pick<ThresholdResult, 'verdict' | 'reason'> {
  const { lowMs, highMs, reason } = quantileOf(samples, limit.fraction);
  if (lowMs === null) return { verdict: 'inconclusive', reason: `${limit.text}: ${reason ?? 'not given'}` };
  const keeps = (ms: number): boolean => (limit.inclusive ? ms <= limit.limitMs : ms < limit.limitMs);
  const seen = `${limit.text}: in (${lowMs}, ${highMs ?? '∞'}] ms`;
  if (highMs !== null && keeps(highMs)) return { verdict: 'pass', reason: seen };
  // A figure lies above its lower bound, or at it where both bounds are one.
  const isBroken = lowMs === highMs ? !keeps(lowMs) : lowMs >= limit.limitMs;
  return isBroken
    ? { verdict: 'fail', reason: seen }
    : { verdict: 'inconclusive', reason: `${seen}, too coarse to tell` };
}
