import { join } from 'node:path';
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';
import { loadRunContext, nodeArguments, RUN_CONTEXT_VARIABLE, UsageError } from '../harness/index.ts';
import { ALONE, selectedFiles } from './spec/cases.ts';
import { CompletenessReporter } from './support/completeness.ts';
import { createManualRun } from './support/manual-run.ts';
import { LongestFirst } from './support/sequencer.ts';

// Cases mostly wait, for outages to pass and for data to arrive, so more of them fit than there are cores; of containers
// fewer, since they cost more to start. A pipeline that is not ours is one for all: what breaks it, breaks it for every case.
const WORKERS = { processes: 4, containers: 3, external: 1 };

const given = loadRunContext();
const manual = given === undefined ? createManualRun() : undefined;
const context = given ?? manual?.context;
if (context === undefined) throw new Error('A run has a context, its own or one made by hand');
const files = selectedFiles(context.cases);
if (files.length === 0) {
  throw new UsageError(`Expected the selection to name at least one case, got ${context.cases.join(', ')}`);
}

/** What measures time runs first and alone; everything else after it, side by side. */
const project = (name: string, groupOrder: number, alone: boolean): TestProjectInlineConfiguration => ({
  extends: true,
  test: {
    name,
    include: files.map(({ file }) => file).filter((file) => ALONE.includes(file) === alone),
    maxWorkers: WORKERS[context.environment],
    sequence: { groupOrder },
  },
});

export default defineConfig({
  root: import.meta.dirname,
  // The files run as Node runs them: nothing is transformed that Node does not transform.
  test: {
    pool: 'forks',
    execArgv: [...nodeArguments(), ...(context.nodeArguments?.harness ?? [])],
    // The package may be installed, and then lies below node_modules itself.
    exclude: [],
    sequence: { sequencer: LongestFirst },
    experimental: { viteModuleRunner: false },
    ...(manual === undefined ? {} : { env: { [RUN_CONTEXT_VARIABLE]: manual.path } }),
    reporters: [
      // Progress comes from the history; only what went wrong is printed.
      ['default', { summary: false }],
      [
        'allure-vitest/reporter',
        { resultsDir: join(context.outputDirectory, 'allure-results'), reportMatchers: false },
      ],
      new CompletenessReporter(context),
    ],
    teardownTimeout: 60_000,
    projects: [project('alone', 0, true), project('side by side', 1, false)].filter(
      ({ test }) => (test?.include?.length ?? 0) > 0,
    ),
  },
});
