import { resolve } from 'node:path';
import { defineConfig } from 'vitest/config';
import { CASES } from '../requirements.ts';

/** Unit tests, beside their sources everywhere: every test file but those that the ledger names, which hold cases. */
export default defineConfig({
  root: resolve(import.meta.dirname, '../..'),
  test: {
    include: ['{harness,services,suites}/**/*.test.ts'],
    exclude: ['**/node_modules/**', ...new Set(CASES.map(({ file }) => `suites/${file}`))],
    pool: 'forks',
    // Most of them wait, for servers and for windows of time to pass.
    maxWorkers: 4,
    experimental: { viteModuleRunner: false },
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
