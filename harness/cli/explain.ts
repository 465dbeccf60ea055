import type { Command } from 'commander';
import { isMeant, type KeyedCase, requirementOf } from '../../suites/ledger/ledger.ts';
import { accessOf, type Requirement } from '../../suites/ledger/requirement.ts';
import { CASE_KEYS } from '../../suites/requirements.ts';
import { type SoakFault, soakFaults } from '../../suites/soak/requirements.ts';
import { MUTANTS } from '../../suites/variants.ts';
import { CAPABILITIES } from '../config/capabilities.ts';
import type { SoakPlan } from '../config/soak-plan.ts';
import { UsageError } from '../core/errors.ts';
import type { Paint } from '../core/text.ts';
import { filterCases, hintFor } from './cases.ts';
import { requirementData } from './list.ts';
import { EXIT, EXIT_CODES_HELP, openScreen, writeJson } from './output.ts';

export function addExplainCommand(program: Command, finish: (exitCode: number) => void): void {
  program
    .command('explain')
    .description('Describe a requirement: why it matters, how it is provoked, where to look when it fails.')
    .argument('<id>', 'a requirement or one case of it, a glob of them, or the name of what a soak breaks')
    .option('--json', 'as data')
    .addHelpText(
      'after',
      `
Examples:
  $ syncproof explain PUB-01
  $ syncproof explain RES-01/killed
  $ syncproof explain postgres-disk-full
  $ syncproof explain REC-06 --json | jq -r '.[0].troubleshooting'
${EXIT_CODES_HELP}`,
    )
    .action((id: string, { json = false }: { json?: boolean }) => {
      explain(id, json);
      finish(EXIT.conformant);
    });
}

function explain(id: string, json: boolean): void {
  const [fault] = soakFaults([id]);
  if (fault?.name === id) {
    explainFault(fault, json);
    return;
  }
  const near = nearFault(id);
  if (near !== undefined)
    throw new UsageError(
      `Expected the id of a requirement or case, or the name of what a soak breaks, got ${id}; ${near}`,
    );
  const byRequirement = [...Map.groupBy(filterCases({ ids: [id] }), ({ requirement }) => requirement)];
  if (json) {
    writeJson(
      byRequirement.map(([requirement, cases]) => ({
        ...requirementData(requirement, cases),
        mutants: mutantsAgainst(requirement.id).map(({ id: mutant, defect }) => ({ mutant, defect })),
      })),
    );
    return;
  }
  using screen = openScreen(process.stdout);
  const texts = byRequirement.map(([requirement, cases]) => explanation(requirement, cases, screen.paint));
  screen.line(texts.join('\n\n'));
}

/** A hint at names of what a soak breaks, for what looks like one and is none, nor a requirement. */
function nearFault(id: string): string | undefined {
  if (CASE_KEYS.some((key) => isMeant(key, id))) return undefined;
  if (soakFaults([id]).length > 0) return '`syncproof list --faults` takes globs';
  return hintFor(
    id,
    soakFaults().map(({ name }) => name),
  );
}

function explainFault(fault: SoakFault, json: boolean): void {
  const round = { pauseMs: 3000, disruptions: [{ name: fault.name, startMs: 0, holdMs: 4000 }] };
  const plan: SoakPlan = { seed: 1, ratePerSecond: 20, rounds: [round] };
  if (json) {
    writeJson([{ ...fault, plan }]);
    return;
  }
  using screen = openScreen(process.stdout);
  screen.line(
    [
      `${screen.paint('bold', fault.name)}  what a soak breaks, ${fault.sort}`,
      fault.text,
      '',
      screen.paint('bold', 'Alone, as a plan for `syncproof soak --plan FILE`'),
      `  ${JSON.stringify(plan)}`,
      '  With so little broken a soak is inconclusive unless it finds something: see docs/soak.md.',
    ].join('\n'),
  );
}

const mutantsAgainst = (id: string) =>
  MUTANTS.filter(({ caughtBy }) => caughtBy.some((key) => requirementOf(key) === id));

function explanation(requirement: Requirement, cases: readonly KeyedCase[], paint: Paint): string {
  const { id, level, tier, since, source, text, allowed, why, provoked, troubleshooting } = requirement;
  const section = (name: string, lines: readonly string[]): string[] =>
    lines.length === 0 ? [] : ['', paint('bold', name), ...lines.map((line) => `  ${line}`)];
  return [
    `${paint('bold', id)}  ${level}, tier ${tier}, needs ${accessOf(requirement).join(' + ')}, since ${since}`,
    text,
    ...section('Conforms', allowed),
    ...section('Why it matters', [why]),
    ...section('How it is provoked', [provoked]),
    ...section('Where to look when it fails', [troubleshooting]),
    ...section('Cases', cases.flatMap(caseLines)),
    ...section(
      'Broken variants that it catches',
      mutantsAgainst(id).map(({ id: mutant, defect }) => `${mutant}: ${defect}`),
    ),
    ...section('Source', [source]),
  ].join('\n');
}

function caseLines({ key, title, needs, floor, file }: KeyedCase): string[] {
  const evidence = Object.entries(floor).map(([name, least]) => `${name} ≥ ${least}`);
  return [
    `${key}: ${title}`,
    ...needs.map((need) => `  needs ${need}: ${CAPABILITIES.get(need) ?? ''}`),
    `  evidence: ${evidence.join(', ')}`,
    `  file: suites/${file}`,
  ];
}
