/**
 * What a worker process of the runner runs: the cases of its lanes, one after the other, in one environment as far as they
 * want the same one. The run's context says which; the file is given to the runner as its only test file.
 */
import { afterAll, inject, test } from 'vitest';
import { stopEnvironments } from './environment.ts';
import { currentRun } from './run.ts';
import { declareCasesOf } from './suite.ts';

const STOP_TIMEOUT_MS = 60_000;
const A_DAY_MS = 86_400_000;

for (const { file } of inject('files')) {
  try {
    await declareCasesOf(file);
  } catch (error) {
    // The other files of this worker go on.
    test(file, () => {
      throw error;
    });
  }
}
afterAll(stopEnvironments, currentRun().context.plan.keep ? A_DAY_MS : STOP_TIMEOUT_MS);
