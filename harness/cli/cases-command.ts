import type { Command } from 'commander';
import { CASE_KEYS, requirementOf } from '../../suites/spec/cases.ts';
import { REQUIREMENTS } from '../../suites/spec/ledger.ts';
import { table } from '../core/table.ts';
import { EXIT } from './exit-codes.ts';
import { openScreen } from './screen.ts';

export function addCasesCommand(program: Command, finish: (exitCode: number) => void): void {
  program
    .command('cases')
    .description('List the requirements and their cases: what --case takes.')
    .addHelpText('after', '\nExample:\n  $ syncproof cases | grep RES-')
    .action(() => {
      using screen = openScreen(process.stdout);
      const rows = REQUIREMENTS.flatMap(({ id, tier, level, text }) => {
        const variants = CASE_KEYS.filter((key) => requirementOf(key) === id && key !== id);
        return [[id, tier, level, text], ...variants.map((key) => [`  ${key}`])];
      });
      for (const line of table(rows)) screen.line(line);
      finish(EXIT.conformant);
    });
}
