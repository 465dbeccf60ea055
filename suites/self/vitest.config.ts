import { defineConfig } from 'vitest/config';

/** Unit tests of the harness and the suites themselves: quick, no report folder, plain output. */
export default defineConfig({
  root: import.meta.dirname,
  test: {
    include: ['*.test.ts', '../mutants/*.test.ts'],
    pool: 'forks',
    experimental: { viteModuleRunner: false },
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
