import { type Command, Option } from 'commander';
import type { KeyedCase } from '../../suites/ledger/ledger.ts';
import { accessOf, type Requirement } from '../../suites/ledger/requirement.ts';
import { soakFaults } from '../../suites/soak/requirements.ts';
import { UsageError } from '../core/errors.ts';
import { table } from '../core/text.ts';
import { type CaseFilter, filterCases } from './cases.ts';
import { levelOption, needOption, tierOption } from './options.ts';
import { EXIT, EXIT_CODES_HELP, openScreen, writeJson } from './output.ts';

interface ListOptions {
  tier?: CaseFilter['tiers'];
  level?: CaseFilter['levels'];
  need?: CaseFilter['needs'];
  cases?: boolean;
  faults?: boolean;
  json?: boolean;
}

export function addListCommand(program: Command, finish: (exitCode: number) => void): void {
  program
    .command('list')
    .description('List the requirements: what a pipeline is judged by.')
    .argument('[ids...]', 'requirement or case ids, or globs of them')
    .addOption(tierOption())
    .addOption(levelOption())
    .addOption(needOption())
    .option('--cases', 'the cases of each, too: what --case takes')
    .addOption(
      new Option('--faults', 'what a soak breaks instead: what its plans name').conflicts([
        'tier',
        'level',
        'need',
        'cases',
      ]),
    )
    .option('--json', 'as data')
    .addHelpText(
      'after',
      `
Examples:
  $ syncproof list                         everything
  $ syncproof list 'RES-*' --cases         what is tried during server outages
  $ syncproof list --tier core --level MUST
  $ syncproof list --need postgres         what needs access to the read model
  $ syncproof list 'redis-*' --faults      what a soak does to Redis
${EXIT_CODES_HELP}`,
    )
    .action((ids: readonly string[], options: ListOptions) => {
      const { tier: tiers = [], level: levels = [], need: needs = [] } = options;
      if (options.faults) listFaults(ids, options.json);
      else list(filterCases({ ids, tiers, levels, needs, onDemand: true }), options);
      finish(EXIT.conformant);
    });
}

function list(cases: readonly KeyedCase[], { cases: withCases = false, json = false }: ListOptions): void {
  const byRequirement = [...Map.groupBy(cases, ({ requirement }) => requirement)];
  if (json) {
    writeJson(byRequirement.map(([requirement, own]) => requirementData(requirement, own)));
    return;
  }
  using screen = openScreen(process.stdout);
  const rows = byRequirement.flatMap(([requirement, own]) => {
    const { id, tier, level, text } = requirement;
    const head = [id, tier, level, accessOf(requirement).join('+'), text];
    return [head, ...(withCases ? own.map(({ key, title }) => ['', '', '', '', `${key}: ${title}`]) : [])];
  });
  for (const line of table(rows)) screen.line(line);
}

/** @throws UsageError when nothing has such a name */
function listFaults(ids: readonly string[], json = false): void {
  const faults = soakFaults(ids);
  if (faults.length === 0) throw new UsageError(`Expected names of what a soak breaks, got ${ids.join(', ')}`);
  if (json) {
    writeJson(faults);
    return;
  }
  using screen = openScreen(process.stdout);
  for (const line of table(faults.map(({ name, sort, text }) => [name, sort, text]))) screen.line(line);
}

/** An entry of the ledger, its cases with their keys. */
export function requirementData(requirement: Requirement, cases: readonly KeyedCase[]) {
  const { cases: _own, ...entry } = requirement;
  return {
    ...entry,
    access: accessOf(requirement),
    cases: cases.map(({ key, title, needs, floor, seconds, file }) => ({ key, title, needs, floor, seconds, file })),
  };
}
