import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { monotonicMs, openHistory, type RunContext } from '../../harness/index.ts';

/**
 * A context for a run that was started by hand (`vitest run --config suites/vitest.config.ts`): everything, as
 * processes, into a folder of its own.
 */
export function createManualRun(now = new Date()): { path: string; context: RunContext } {
  const runId = `manual-${now.toISOString().slice(0, 19).replaceAll(':', '-')}-${process.pid}`;
  const outputDirectory = resolve(import.meta.dirname, '../../reports/output', runId);
  mkdirSync(outputDirectory, { recursive: true });
  const context: RunContext = {
    runId,
    originMs: monotonicMs(),
    seed: 1,
    profile: 'default',
    environment: 'processes',
    historyPath: join(outputDirectory, 'history.jsonl'),
    outputDirectory,
    keep: false,
    retries: 0,
    cases: [],
  };
  const path = join(outputDirectory, 'run-context.json');
  writeFileSync(path, JSON.stringify(context, null, 2));
  using history = openHistory(context.historyPath, context.originMs);
  history.record({
    type: 'run-started',
    runId,
    startedAt: now.toISOString(),
    seed: context.seed,
    profile: context.profile,
    environment: context.environment,
    command: 'vitest run --config suites/vitest.config.ts',
    selected: [],
  });
  return { path, context };
}
