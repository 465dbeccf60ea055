import { join, resolve } from 'node:path';
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';
import {
  loadRunContext,
  nodeArguments,
  type PlannedLane,
  RUN_CONTEXT_VARIABLE,
  UsageError,
} from '../../harness/index.ts';
import { CompletenessReporter } from './completeness.ts';
import { longestFirst } from './sequencer.ts';

// Cases mostly wait, for outages to pass and for data to arrive, so more of them fit than there are cores; of containers
// fewer, since they cost more to start. A pipeline that is not ours is one for all: what breaks it, breaks it for every case.
const WORKERS = { processes: 4, containers: 3, external: 1 };

const context = loadRunContext();
if (context === undefined) {
  throw new UsageError(
    `Expected ${RUN_CONTEXT_VARIABLE} to name a run context: \`pnpm test:e2e --case ID\` runs single cases`,
  );
}
const { plan, lanes, variant, outputDirectory } = context;

/**
 * Vitest runs a file once in each of its projects, so the lanes of one file are in projects of their own: the first lanes of
 * all files in one, the second lanes in another. What measures time runs first, with nothing beside it.
 */
const projects = new Map<string, PlannedLane[]>();
for (const lane of lanes) {
  const before = lanes.slice(0, lanes.indexOf(lane)).filter(({ file, alone }) => file === lane.file && !alone).length;
  const name = lane.alone ? 'alone' : `lane ${before + 1}`;
  projects.set(name, [...(projects.get(name) ?? []), lane]);
}

const project = ([name, ofProject]: [string, readonly PlannedLane[]]): TestProjectInlineConfiguration => ({
  extends: true,
  test: {
    name,
    include: ofProject.map(({ file }) => file),
    provide: { cases: ofProject.flatMap(({ cases }) => cases.map(({ key }) => key)) },
    maxWorkers: WORKERS[plan.environment],
    sequence: { groupOrder: name === 'alone' ? 0 : 1 },
  },
});

export default defineConfig({
  root: resolve(import.meta.dirname, '..'),
  // The files run as Node runs them: nothing is transformed that Node does not transform.
  test: {
    pool: 'forks',
    execArgv: [...nodeArguments(), ...(variant?.nodeArguments.harness ?? [])],
    // The package may be installed, and then lies below node_modules itself.
    exclude: [],
    sequence: { sequencer: longestFirst(projects) },
    experimental: { viteModuleRunner: false },
    reporters: [
      // Progress comes from the history; only what went wrong is printed.
      ['default', { summary: false }],
      ['allure-vitest/reporter', { resultsDir: join(outputDirectory, 'allure-results'), reportMatchers: false }],
      new CompletenessReporter(context),
    ],
    teardownTimeout: 60_000,
    projects: [...projects].map(project),
  },
});
