import { join, resolve } from 'node:path';
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';
import {
  loadRunContext,
  nodeArguments,
  type PlannedWorker,
  RUN_CONTEXT_VARIABLE,
  UsageError,
} from '../../harness/index.ts';
import { CompletenessReporter } from './completeness.ts';

const context = loadRunContext();
if (context === undefined) {
  throw new UsageError(
    `Expected ${RUN_CONTEXT_VARIABLE} to name a run context: \`pnpm test:e2e --case ID\` runs single cases`,
  );
}
const { workers, variant, outputDirectory } = context;

/** A project has one file, and so one process. What measures time runs first, with nothing beside it. */
const project = ({ name, alone, files }: PlannedWorker): TestProjectInlineConfiguration => ({
  extends: true,
  test: { name, provide: { files }, sequence: { groupOrder: alone ? 0 : 1 } },
});

export default defineConfig({
  root: resolve(import.meta.dirname, '..'),
  // The files run as Node runs them: nothing is transformed that Node does not transform.
  test: {
    include: ['runner/worker.ts'],
    pool: 'forks',
    maxWorkers: workers.length,
    execArgv: [...nodeArguments(), ...(variant?.nodeArguments.harness ?? [])],
    // The package may be installed, and then lies below node_modules itself.
    exclude: [],
    experimental: { viteModuleRunner: false },
    reporters: [
      // Progress comes from the history; only what went wrong is printed.
      ['default', { summary: false }],
      ['allure-vitest/reporter', { resultsDir: join(outputDirectory, 'allure-results'), reportMatchers: false }],
      new CompletenessReporter(context),
    ],
    teardownTimeout: 60_000,
    projects: workers.map(project),
  },
});
