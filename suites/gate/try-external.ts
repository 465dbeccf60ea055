/**
 * Judges pipelines that are not the harness's own: the reference three ways, each knowing more of it than the one before,
 * and an independent little implementation without outbox, which must fail where its design must fail.
 * Ends with one line: `N passed, N failed`, of ways. Arguments: names of ways, by default all.
 */

import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { packageFacts } from '../../harness/config/settings.ts';
import { loadTarget } from '../../harness/config/target.ts';
import { describeError } from '../../harness/core/errors.ts';
import { onInterrupt } from '../../harness/core/interrupt.ts';
import { milliseconds } from '../../harness/core/text.ts';
import { monotonicMs } from '../../harness/core/time.ts';
import { offersOf } from '../../harness/environment/external/offers.ts';
import { runResultSchema } from '../../harness/report/result.ts';
import { runChild } from './child.ts';
import { differences } from './external/judge.ts';
import { type Stack, type StackPlan, startStack } from './external/stack.ts';
import { WAYS, type Way } from './external/ways.ts';

const REPORTS = join('reports', 'output', 'external');
const LOGS = join(packageFacts().root, 'reports', 'output', 'gate');

/** Runs the suite in one of the ways. @returns what is not as it must be */
async function tryWay(way: Way, stack: Stack, signal: AbortSignal): Promise<string[]> {
  const startedAt = monotonicMs();
  const target = await stack.writeTarget(way.name, way.target(stack));
  const reports = join(REPORTS, way.name);
  await rm(join(packageFacts().root, reports), { recursive: true, force: true });
  const { exitCode } = await runChild({
    program: 'node',
    arguments: ['harness/cli/main.ts', 'run', '--target', target, '--report', reports, '--case', ...way.select],
    logPath: join(LOGS, `external-${way.name}.log`),
    loud: false,
    signal,
  });
  if (signal.aborted) return ['It was interrupted'];
  const path = join(packageFacts().root, reports, 'latest', 'result.json');
  const result = runResultSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  const problems = [
    ...differences(way, result, offersOf(loadTarget(target))),
    ...(exitCode === result.exitCode ? [] : [`It exited with ${exitCode}, and its report says ${result.exitCode}`]),
    ...(await stack.fallen()).map((what) => `Afterwards ${what}`),
  ];
  const { pass = 0, fail = 0, skip = 0 } = result.counts.cases;
  const counts = `${pass} passed, ${fail} failed as they must, ${skip} skipped`;
  const took = milliseconds(monotonicMs() - startedAt);
  console.log(
    problems.length > 0 ? `FAILED ${way.name} ${took}` : `ok ${way.name}: ${counts}, exit code ${exitCode} ${took}`,
  );
  return problems;
}

/**
 * The ways that one pipeline is judged in, one after the other.
 * @param onFirst called once the first of them is over, however it ended
 */
async function tryStack(
  plan: StackPlan,
  ways: readonly Way[],
  { signal, onFirst }: { signal: AbortSignal; onFirst: () => void },
): Promise<Map<Way, string[]>> {
  const problems = new Map<Way, string[]>();
  try {
    await using stack = await startStack(plan, signal);
    for (const way of ways) {
      if (signal.aborted) break;
      problems.set(way, await tryWay(way, stack, signal).catch((error: unknown) => [describeError(error)]));
      onFirst();
    }
  } finally {
    onFirst();
  }
  return problems;
}

using interrupt = onInterrupt(() => process.kill(process.pid, 'SIGKILL'));
const names = process.argv.slice(2);
const ways = WAYS.filter(({ name }) => names.length === 0 || names.includes(name));
await mkdir(LOGS, { recursive: true });
// Pipelines side by side, since most of their time they wait; but the next one begins after the first way of the one before,
// which measures latency: two that do so at once would be measured at each other's cost.
const tried: Promise<Map<Way, string[]>>[] = [];
for (const [plan, own] of Map.groupBy(ways, ({ stack }) => stack)) {
  await new Promise<void>((resolve) => {
    const trying = tryStack(plan, own, { signal: interrupt.signal, onFirst: resolve });
    // Its failure is told below, with those of the others.
    trying.catch(() => {});
    tried.push(trying);
  });
}
const problems: string[] = [];
let passed = 0;
for (const end of await Promise.allSettled(tried)) {
  if (end.status === 'rejected') problems.push(describeError(end.reason));
  for (const [way, found] of end.status === 'fulfilled' ? end.value : []) {
    if (found.length === 0) passed++;
    problems.push(...found.map((problem) => `${way.name}: ${problem}`));
  }
}
if (problems.length > 0) console.log(['Not passed:', ...problems.map((problem) => `  ${problem}`), ''].join('\n'));
console.log(`${passed} passed, ${ways.length - passed} failed`);
process.exitCode = passed === ways.length && passed > 0 ? 0 : 1;
