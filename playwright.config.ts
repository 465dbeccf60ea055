import { defineConfig } from '@playwright/test';
import { isContinuousIntegration } from './harness/config/settings.ts';
import { chromiumArguments, findChromium } from './suites/browser/chromium.ts';

const found = await findChromium();

/** Browser tests of the generated report. They need no server: the report is one file. */
export default defineConfig({
  testDir: 'suites/browser',
  testMatch: '*.spec.ts',
  outputDir: 'reports/output/browser',
  timeout: 30_000,
  fullyParallel: true,
  workers: 2,
  forbidOnly: isContinuousIntegration(),
  reporter: [['line'], ['json', { outputFile: 'reports/output/browser-results.json' }]],
  use: {
    browserName: 'chromium',
    trace: 'retain-on-failure',
    launchOptions: {
      args: chromiumArguments(),
      ...(found === undefined ? {} : { executablePath: found.path }),
    },
  },
});
