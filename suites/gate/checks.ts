import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { runResultSchema } from '../../harness/report/result.ts';
import { ensureChromium } from '../browser/chromium.ts';
import type { ChildEnd } from './child.ts';

const REPORT = 'reports/output';

export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** One thing that the gate runs, as a child process. */
export interface Check {
  name: string;
  /** For people: what it is. */
  what: string;
  /** File below node_modules/.bin, a path with a slash from the project's folder, or `node`. */
  program: string;
  arguments: readonly string[];
  environment?: Readonly<Record<string, string>>;
  /** What has to be there first; says what it does in lines. */
  prepare?: (say: (line: string) => void) => Promise<unknown>;
  /** Its tests, from what it left behind; one that fails without a failed test has failed as a whole. */
  count: (end: ChildEnd, folder: string) => Promise<Counts>;
  /** Shows what it prints while it runs. */
  loud?: true;
}

/** A check that has no tests of its own counts as one. */
const asOne = async ({ exitCode }: ChildEnd): Promise<Counts> => ({
  passed: exitCode === 0 ? 1 : 0,
  failed: exitCode === 0 ? 0 : 1,
  skipped: 0,
});

const vitestSummary = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  numPendingTests: z.number(),
  numTodoTests: z.number(),
  numFailedTestSuites: z.number(),
});

const playwrightSummary = z.object({
  stats: z.object({ expected: z.number(), unexpected: z.number(), flaky: z.number(), skipped: z.number() }),
});

const readJson = async (path: string): Promise<unknown> => JSON.parse(await readFile(path, 'utf8'));

async function countUnitTests(_end: ChildEnd, folder: string): Promise<Counts> {
  const summary = vitestSummary.parse(await readJson(join(folder, 'unit.json')));
  return {
    passed: summary.numPassedTests,
    // A file that cannot be loaded has no failed test, yet it is a failure.
    failed: Math.max(summary.numFailedTests, summary.numFailedTestSuites > 0 ? 1 : 0),
    skipped: summary.numPendingTests + summary.numTodoTests,
  };
}

const countCases =
  (report: string) =>
  async ({ startedAt }: ChildEnd): Promise<Counts> => {
    const { counts, run } = runResultSchema.parse(await readJson(join(report, 'latest', 'result.json')));
    if (run.startedAt === null || Date.parse(run.startedAt) < startedAt) throw new Error('It wrote no report');
    const { pass, xfail, skip, ...others } = counts.cases;
    return {
      passed: pass + xfail,
      skipped: skip,
      failed: Object.values(others).reduce((sum, count) => sum + count, 0),
    };
  };

async function countBrowserTests(_end: ChildEnd, folder: string): Promise<Counts> {
  const { stats } = playwrightSummary.parse(await readJson(join(folder, 'browser.json')));
  return { passed: stats.expected, failed: stats.unexpected + stats.flaky, skipped: stats.skipped };
}

/** From the last closing line that matches: how many passed, failed and, where it says so, were skipped. */
const fromLine =
  (line: RegExp) =>
  async ({ output }: ChildEnd): Promise<Counts> => {
    const match = [...output.matchAll(line)].at(-1);
    if (match === undefined) throw new Error(`It printed no closing line like ${line.source}`);
    const [, passed, failed, skipped = '0'] = match;
    return { passed: Number(passed), failed: Number(failed), skipped: Number(skipped) };
  };

/** The cheap ones, side by side. */
export const QUICK_CHECKS: readonly Check[] = [
  {
    name: 'lint',
    what: 'format and lint (Biome)',
    program: 'biome',
    arguments: ['check', '--error-on-warnings'],
    count: asOne,
  },
  { name: 'types', what: 'types (tsc)', program: 'tsc', arguments: ['--noEmit'], count: asOne },
  {
    name: 'unused',
    what: 'unused files, exports and dependencies (knip)',
    program: 'knip',
    arguments: [],
    count: asOne,
  },
];

/**
 * The ones that start servers, one after the other: two cores are little enough for one.
 * @param folder where they write
 */
export function slowChecks(folder: string): readonly Check[] {
  return [
    {
      name: 'unit',
      what: 'unit tests, beside their sources; the import law',
      program: 'vitest',
      arguments: [
        'run',
        ...['--config', 'suites/gate/vitest.config.ts'],
        ...['--reporter', 'default', '--reporter', 'json', '--outputFile.json', join(folder, 'unit.json')],
      ],
      count: countUnitTests,
      loud: true,
    },
    {
      name: 'suite',
      what: 'the conformance suite (syncproof run)',
      program: 'node',
      arguments: ['harness/cli/main.ts', 'run', '--report', REPORT],
      count: countCases(REPORT),
      loud: true,
    },
    {
      name: 'browser',
      what: 'the report in a real Chromium (Playwright)',
      program: 'playwright',
      arguments: ['test'],
      environment: { PLAYWRIGHT_JSON_OUTPUT_FILE: join(folder, 'browser.json') },
      prepare: ensureChromium,
      count: countBrowserTests,
    },
  ];
}

const CONTAINERS_REPORT = join(REPORT, 'containers');

/** What takes longer, or needs more than a clone: `pnpm test --all` and CI. @param share see try-variants.ts */
export function longChecks({ share }: { share: boolean }): readonly Check[] {
  return [
    {
      name: 'audit',
      what: 'known vulnerabilities of the dependencies',
      program: '.ci/audit',
      arguments: [],
      count: fromLine(/^(\d+) passed, (\d+) failed, (\d+) skipped$/gm),
    },
    {
      name: 'package',
      what: 'the npm package, installed and used in an empty folder',
      program: 'node',
      arguments: ['suites/gate/try-package.ts'],
      count: asOne,
    },
    {
      name: 'external',
      what: "pipelines that are not the harness's own, among them one that must fail",
      program: 'node',
      arguments: ['suites/gate/try-external.ts'],
      count: fromLine(/^(\d+) passed, (\d+) failed$/gm),
      loud: true,
    },
    {
      name: 'containers',
      what: 'the conformance suite in containers; needs Docker and the images',
      program: 'node',
      arguments: ['harness/cli/main.ts', 'run', '--env', 'containers', '--report', CONTAINERS_REPORT],
      count: countCases(CONTAINERS_REPORT),
      loud: true,
    },
    {
      name: 'variants',
      what: 'broken variants of the reference, each of which the suite must find',
      program: 'node',
      arguments: ['suites/gate/try-variants.ts', ...(share ? ['--share'] : [])],
      count: fromLine(/^(\d+) killed, (\d+) survived$/gm),
      loud: true,
    },
  ];
}
