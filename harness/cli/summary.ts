import type { RunPlan } from '../config/run-plan.ts';
import { isInstalled } from '../config/settings.ts';
import { milliseconds, type Paint, shellWord, shownPath, table } from '../core/text.ts';
import type { Verdict } from '../record/history.ts';
import { formatBytes, soakSentence, tiersText, whereEvidence } from '../report/format.ts';
import type { Distribution, Quantile, RunResult } from '../report/result.ts';
import { paintVerdict } from './progress.ts';

/** GitHub shows ten of a kind per step. */
const ANNOTATIONS_MAX = 10;
const ERRORS = ['fail', 'xpass', 'error'];
const WARNINGS = ['inconclusive', 'flaky'];

/** Cases that did not hold as workflow commands (GitHub documentation, "Workflow commands for GitHub Actions"). */
export function annotations({ requirements }: RunResult): string[] {
  const cases = requirements.flatMap((requirement) => requirement.cases);
  const of = (command: string, verdicts: readonly string[]): string[] =>
    cases
      .filter(({ verdict }) => verdicts.includes(verdict))
      .slice(0, ANNOTATIONS_MAX)
      .map(
        ({ key, verdict, reason }) =>
          `::${command} title=${property(`syncproof ${key}: ${verdict}`)}::${data(reason ?? 'no reason was recorded')}`,
      );
  return [...of('error', ERRORS), ...of('warning', WARNINGS)];
}

const data = (text: string): string => text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
const property = (text: string): string => data(text).replaceAll(':', '%3A').replaceAll(',', '%2C');

/** What a person wants to know when a run is over, as lines. */
export function summaryLines(result: RunResult, places: { report: string }, paint: Paint): string[] {
  const found = soakSentence(result);
  return [
    '',
    ...requirementTable(result, paint),
    '',
    ...figures(result),
    '',
    ...notPassed(result, paint),
    ...(found === undefined ? [] : [found]),
    ...(result.tiers.length === 0 ? [] : [`Tiers:   ${tiersText(result.tiers)}`]),
    verdictLine(result, paint),
    `Report:  ${places.report}`,
    `Repeat:  ${result.run.command ?? 'unknown'}`,
  ];
}

/** What a person needs first when something is wrong, so it stands last, with the command that repeats just that. */
function notPassed({ requirements, run }: RunResult, paint: Paint): string[] {
  const all = requirements.flatMap((requirement) => requirement.cases);
  const cases = all.filter(({ verdict }) => !GOOD.has(verdict) && verdict !== 'skip');
  if (cases.length === 0) return [];
  const lines = cases.map((one) => `  ${caseLine(one, paint)}`);
  const ids = cases.map(({ key }) => shellWord(key)).join(' ');
  // Where everything failed, the last line says it already.
  const again =
    run.command === null || cases.length === all.length
      ? []
      : [`  again: ${run.command.replace(/ --case .*$/, '')} --case ${ids}`];
  return ['Not passed:', ...lines, ...again, ''];
}

const GOOD: ReadonlySet<string> = new Set<Verdict>(['pass', 'xfail']);

type CaseResult = RunResult['requirements'][number]['cases'][number];

const caseLine = (one: CaseResult, paint: Paint): string => {
  const { key, verdict, reason = 'no reason was recorded' } = one;
  return `${paintVerdict(verdict, paint)} ${key}: ${reason.split('\n')[0]}${whereEvidence(one)}`;
};

/** Columns that end in the title, one row per requirement and one below it for each case that was skipped. */
function requirementTable(result: RunResult, paint: Paint): string[] {
  const rows = result.requirements.flatMap((requirement) => {
    const passed = requirement.cases.filter(({ verdict }) => verdict === 'pass').length;
    const head = [
      requirement.id,
      paintVerdict(requirement.verdict, paint),
      paint('dim', `${passed}/${requirement.cases.length}`),
      requirement.title,
    ];
    const reasons = requirement.cases
      .filter(({ verdict }) => verdict === 'skip')
      .map((one) => ['', '', '', caseLine(one, paint)]);
    return [head, ...reasons];
  });
  return table(rows);
}

function figures(result: RunResult): string[] {
  return table([
    ...latencyRows(result),
    ...redisKillRows(result),
    ...startRows(result),
    ...namedRows(result),
    ...memoryRows(result),
  ]);
}

/** The figures that cases recorded; percentiles of one thing share a row. */
function namedRows({ figures }: RunResult): string[][] {
  const groups = new Map<string, { values: string[]; detail: string }>();
  for (const { name, value, unit, detail } of figures) {
    if (name === START_FIGURE) continue;
    const [, of, percentile] = /^(.*)-(p\d+|max)$/.exec(name.replace(/-ms$/, '')) ?? [];
    const key = (of ?? name.replace(/-ms$/, '')).replaceAll('-', ' ');
    const group = groups.get(key) ?? { values: [], detail: detail ?? '' };
    const text = unit === 'ms' ? milliseconds(value) : `${value} ${unit}`;
    group.values.push(percentile === undefined ? text : `${percentile} ${text}`);
    groups.set(key, group);
  }
  return [...groups].map(([name, { values, detail }]) => [
    name,
    `${values.join('  ')}${detail === '' ? '' : `  (${detail})`}`,
  ]);
}

/** Recorded by each environment when all of its parts answer. */
const START_FIGURE = 'environment-ready-ms';

function startRows({ figures }: RunResult): string[][] {
  const starts = figures.flatMap(({ name, value }) => (name === START_FIGURE ? [value] : [])).sort((a, b) => a - b);
  const [fastest] = starts;
  const slowest = starts.at(-1);
  if (fastest === undefined || slowest === undefined) return [];
  const spread = starts.length === 1 ? '' : ` (${starts.length} starts, the slowest ${milliseconds(slowest)})`;
  return [['environment ready', `${milliseconds(fastest)}${spread}`]];
}

function memoryRows({ memory }: RunResult): string[][] {
  return memory.map(({ part, startBytes, mostBytes, endBytes }) => {
    const [start, most, end] = [startBytes, mostBytes, endBytes].map(formatBytes);
    return [`memory of ${part}`, `${start} at start, ${most} at most, ${end} at end`];
  });
}

/** The largest steady series: latency during outages is in the report. */
function latencyRows({ latency }: RunResult): string[][] {
  const [series] = latency.series.filter(({ phase }) => phase === 'baseline').sort((a, b) => b.n - a.n);
  if (series === undefined) return [];
  return [[`sync latency${series.case === null ? '' : ` (${series.case})`}`, distributionText(series)]];
}

/** `p50 3.1–5.2 ms  p95 …  p99 …  (n 1000, known to ±2.1 ms)`. */
function distributionText(series: Distribution): string {
  const known = series.resolutionMs === null ? '' : `, resolution ${milliseconds(series.resolutionMs)}`;
  const censored = series.censored === 0 ? '' : `, ${series.censored} never seen`;
  return `p50 ${quantile(series.p50)}  p95 ${quantile(series.p95)}  p99 ${quantile(series.p99)}  (n ${series.n}${censored}${known})`;
}

function quantile({ lowMs, highMs, reason }: Quantile): string {
  if (highMs === null) return lowMs === null ? `– (${reason ?? 'unknown'})` : `> ${milliseconds(lowMs)}`;
  if (lowMs === null) return `≤ ${milliseconds(highMs)}`;
  const [low, high] = [milliseconds(lowMs), milliseconds(highMs)];
  return low === high ? high : `${low}–${high}`;
}

/** What a killed Redis cost, in the words of the requirement; cases with very many faults have them in the report. */
function redisKillRows({ faults, faultKinds }: RunResult): string[][] {
  const many = new Set(faultKinds.map((kind) => kind.case));
  return faults
    .filter((fault) => fault.kind === 'redis-killed' && !many.has(fault.case))
    .map((fault) => {
      const facts = [
        fault.writes.ok + fault.writes.notOk === 0
          ? undefined
          : `${fault.writes.ok} writes accepted meanwhile, ${fault.writes.notOk} not`,
        fault.firstSuccessAfterMs === null
          ? undefined
          : `first visible ${milliseconds(fault.firstSuccessAfterMs)} after it recovered`,
        fault.backlogDrainedMs === null ? undefined : `backlog drained after ${milliseconds(fault.backlogDrainedMs)}`,
        fault.losses === null ? undefined : `${fault.losses} lost`,
      ].filter((fact) => fact !== undefined);
      return [`Redis killed${fault.case === null ? '' : ` (${fault.case})`}`, facts.join(', ') || 'no figures'];
    });
}

/** The line that says how it ended: `Verdict: conformant (129 pass) in 4 min 27 s, exit code 0`. */
export function verdictLine(result: RunResult, paint: Paint): string {
  const style = result.exitCode === 0 ? 'green' : result.exitCode === 2 ? 'yellow' : 'red';
  const counts = Object.entries(result.counts.cases)
    .filter(([, count]) => count > 0)
    .map(([verdict, count]) => `${count} ${verdict}`)
    .join(', ');
  const reason = result.run.reason === undefined ? '' : `\n         ${result.run.reason}`;
  return `Verdict: ${paint(style, paint('bold', result.verdict))} (${counts || 'no case ran'}) in ${milliseconds(result.run.durationMs)}, exit code ${result.exitCode}${reason}`;
}

type RepeatedPlan = Pick<RunPlan, 'environment' | 'seed' | 'profile' | 'target' | 'soak'> & {
  cases: readonly string[];
};

/** The command that repeats a run, from the values that decided it. */
export function repeatCommand({ environment, seed, profile, cases, target, soak }: RepeatedPlan): string {
  const program = isInstalled() ? ['npx', 'syncproof'] : ['npx', '-y', 'pnpm@12'];
  if (soak !== undefined) program.push(...(isInstalled() ? ['soak'] : ['syncproof', 'soak']));
  else program.push(isInstalled() ? 'run' : 'test:e2e');
  const where = target === undefined ? ['--env', environment] : ['--target', shownPath(target)];
  const words = [...program, ...where, '--seed', String(seed)];
  if (target === undefined && profile !== 'default') words.push('--profile', profile);
  if (soak?.planFile !== undefined) words.push('--plan', shownPath(soak.planFile));
  else if (soak !== undefined) words.push('--minutes', String(soak.seconds / 60));
  if (soak !== undefined) words.push('--rate', String(soak.ratePerSecond));
  if (soak === undefined && cases.length > 0) words.push('--case', ...cases);
  return words.map(shellWord).join(' ');
}
