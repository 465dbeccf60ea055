/**
 * Tries broken variants of the reference: all of them, or with `--share` those that a change touches and a rotating share of
 * the others. What is killed is noted in suites/mutants/killed.json, which says what has changed since; a run in CI leaves
 * the file alone. Ends with the line of `syncproof mutants`: `N killed, N survived`.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { isContinuousIntegration, packageFacts } from '../../harness/config/settings.ts';
import { onInterrupt } from '../../harness/core/interrupt.ts';
import { killMatrixSchema } from '../../harness/report/result.ts';
import { MUTANTS } from '../variants.ts';
import { runChild } from './child.ts';
import { digestOf, type Killed, SHARES, selectVariants } from './variants.ts';

const { root } = packageFacts();
const KILLED = join(root, 'suites/mutants/killed.json');
const REPORT = join(root, 'reports/output');

const { share } = new Command('try-variants')
  .option('--share', 'only those that a change touches, and a rotating share of the others')
  .parse()
  .opts<{ share?: true }>();
using interrupt = onInterrupt(() => process.kill(process.pid, 'SIGKILL'));
const killed: Killed = JSON.parse(readFileSync(KILLED, 'utf8'));
const ids = share ? chooseShare() : [];
const { exitCode, output } =
  share && ids.length === 0
    ? { exitCode: 0, output: '' }
    : await runChild({
        program: 'node',
        arguments: ['harness/cli/main.ts', 'mutants', '--report', REPORT, ...(share ? ['--mutant', ...ids] : [])],
        logPath: join(REPORT, 'gate', 'variants-tried.log'),
        loud: true,
        signal: interrupt.signal,
      });
if (output === '') console.log('0 killed, 0 survived');
else if (!isContinuousIntegration()) note(output);
process.exitCode = exitCode;

function chooseShare(): string[] {
  const commit = execFileSync('git', ['rev-parse', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim();
  const { changed, rotating, share: turn } = selectVariants(MUTANTS, { root, killed, commit });
  console.log(
    `Of ${MUTANTS.length} variants: ${changed.length} whose sources, cases or steps have changed since they were last noted as killed, ` +
      `and ${rotating.length} others, share ${turn} of ${SHARES} (by the commit, ${commit.slice(0, 8)})`,
  );
  return [...changed, ...rotating].map(({ id }) => id);
}

/** Notes what was killed by every case that must kill it. */
function note(printed: string): void {
  const [, path] = /^As data: (.+)$/m.exec(printed) ?? [];
  if (path === undefined) return;
  const { trials } = killMatrixSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  const seen = new Map<string, boolean>();
  for (const trial of trials) seen.set(trial.mutant, (seen.get(trial.mutant) ?? true) && trial.killed);
  const entries = MUTANTS.flatMap((variant): [string, string][] => {
    const wasKilled = seen.get(variant.id);
    const digest = wasKilled === undefined ? killed[variant.id] : wasKilled ? digestOf(variant, root) : undefined;
    return digest === undefined ? [] : [[variant.id, digest]];
  });
  const sorted = entries.sort(([a], [b]) => (a < b ? -1 : 1));
  writeFileSync(KILLED, `${JSON.stringify(Object.fromEntries(sorted), null, 2)}\n`);
}
