import type { Command } from 'commander';
import { estimatedSeconds, type KeyedCase, planWorkers } from '../../suites/ledger/ledger.ts';
import { TIERS, type Tier } from '../../suites/ledger/requirement.ts';
import { REQUIREMENTS } from '../../suites/requirements.ts';
import { CAPABILITIES, type Capability } from '../config/capabilities.ts';
import { WORKERS } from '../config/run-plan.ts';
import { loadTarget, noteUnset, type Target } from '../config/target.ts';
import { milliseconds, table } from '../core/text.ts';
import { offersOf } from '../environment/external/offers.ts';
import { plural } from '../report/format.ts';
import { type CaseFilter, expectedFailureOf, filterCases, requireKnownFailures } from './cases.ts';
import { caseOption, levelOption, targetOption, tierOption } from './options.ts';
import { EXIT, EXIT_CODES_HELP, openScreen, writeJson } from './output.ts';

interface PlanOptions {
  target?: string;
  case?: readonly string[];
  tier?: CaseFilter['tiers'];
  level?: CaseFilter['levels'];
  json?: boolean;
}

export function addPlanCommand(program: Command, finish: (exitCode: number) => void): void {
  program
    .command('plan')
    .description('Dry run: show what would run against a target, and why the rest would not.')
    .addOption(targetOption())
    .addOption(caseOption())
    .addOption(tierOption())
    .addOption(levelOption())
    .option('--json', 'as data')
    .addHelpText(
      'after',
      `
Examples:
  $ syncproof plan --target target.yaml
  $ syncproof plan --target target.yaml --tier core
  $ syncproof plan --json | jq '.cases[] | select(.run) | .case'
${EXIT_CODES_HELP}`,
    )
    .action((options: PlanOptions) => {
      const unset = new Set<string>();
      const target = options.target === undefined ? undefined : loadTarget(options.target, { unset: noteUnset(unset) });
      if (target !== undefined) requireKnownFailures(target);
      for (const note of target?.notes ?? []) process.stderr.write(`${note}\n`);
      const { case: ids = [], tier: tiers = [], level: levels = [] } = options;
      const made = makePlan(filterCases({ ids, tiers, levels }), target);
      if (options.json) writeJson(made);
      else showPlan(made, target, unset);
      finish(EXIT.conformant);
    });
}

export interface Plan {
  target: string | null;
  cases: {
    case: string;
    title: string;
    run: boolean;
    /** Capabilities that the target does not offer. */
    missing: readonly Capability[];
    /** Why the target file expects it to fail, and until when. */
    expectedToFail?: string;
    seconds: number;
  }[];
  /** What would let more cases run: each missing capability, what it is, and how many cases wait for it. */
  missing: { capability: Capability; meaning: string; cases: number }[];
  /** How far a run of all this can show a tier: every MUST of the ledger counts. */
  tiers: { tier: Tier; judged: number; total: number }[];
  seconds: number;
}

/** What would run against a target; against the reference, which offers everything, without one. */
export function makePlan(selected: readonly KeyedCase[], target: Target | undefined): Plan {
  const offered = target === undefined ? new Set(CAPABILITIES.keys()) : offersOf(target);
  const cases = selected.map(({ key, title, needs, seconds }) => {
    const missing = needs.filter((need) => !offered.has(need));
    const expected = target === undefined ? undefined : expectedFailureOf(key, target);
    return {
      case: key,
      title,
      run: missing.length === 0,
      missing,
      expectedToFail: expected && `${expected.reason}, until ${expected.expires}`,
      seconds,
    };
  });
  const running = new Set(cases.filter(({ run }) => run).map((each) => each.case));
  const waiting = Map.groupBy(
    cases.flatMap(({ missing }) => missing),
    (capability) => capability,
  );
  return {
    target: target?.name ?? null,
    cases,
    missing: [...waiting]
      .map(([capability, all]) => ({
        capability,
        meaning: CAPABILITIES.get(capability) ?? '',
        cases: all.length,
      }))
      .sort((a, b) => b.cases - a.cases),
    tiers: TIERS.map((tier) => tierReach(tier, selected, running)),
    seconds: estimatedSeconds(
      planWorkers(
        selected.filter(({ key }) => running.has(key)),
        WORKERS[target === undefined ? 'processes' : 'external'],
      ),
    ),
  };
}

/** A requirement is judged when all of its cases can run. */
function tierReach(tier: Tier, selected: readonly KeyedCase[], running: ReadonlySet<string>): Plan['tiers'][number] {
  const musts = REQUIREMENTS.filter((entry) => entry.tier === tier && entry.level === 'MUST');
  const judged = musts.filter(({ id, cases }) => {
    const own = selected.filter(({ requirement }) => requirement.id === id);
    return own.length === cases.length && own.every(({ key }) => running.has(key));
  });
  return { tier, judged: judged.length, total: musts.length };
}

function showPlan(plan: Plan, target: Target | undefined, unset: ReadonlySet<string>): void {
  using screen = openScreen(process.stdout);
  const { paint } = screen;
  const rows = plan.cases.map(({ case: key, run, missing, expectedToFail, title }) => {
    const state = run ? paint('green', 'run ') : paint('yellow', 'skip');
    const why = run ? title : `unsupported: ${missing.join(', ')}`;
    return [state, key, expectedToFail === undefined ? why : `${why} (expected to fail: ${expectedToFail})`];
  });
  for (const line of table(rows)) screen.line(line);
  const running = plan.cases.filter(({ run }) => run).length;
  const on = target === undefined ? 'the reference pipeline' : target.name;
  screen.line(
    `\n${running} of ${plan.cases.length} cases would run on ${on}, for about ${milliseconds(plan.seconds * 1000)}.`,
  );
  screen.line(`MUSTs that are judged: ${plan.tiers.map((t) => `${t.tier} ${t.judged}/${t.total}`).join(', ')}.`);
  if (unset.size > 0) screen.line(`Not set yet, and a run needs them: ${[...unset].join(', ')}.`);
  if (plan.missing.length === 0) return;
  screen.line(`\nThe result is partial at best. What would let more run, in ${target?.file ?? 'the target file'}:`);
  const gains = plan.missing.map(({ capability, cases, meaning }) => [
    `  ${capability}`,
    plural(cases, 'case'),
    meaning,
  ]);
  for (const line of table(gains)) screen.line(line);
}
