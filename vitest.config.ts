import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: '100%',
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // A machine that stands still for a second must not hold a change up; what needed a second try is named at the end, and is a defect.
    retry: process.env.CI === 'true' ? 1 : 0,
    reporters: ['default', './test/support/summary-reporter.ts'],
    // Tests run the product as it is shipped: Node loads dist itself, untransformed.
    server: { deps: { external: [/\/dist\//] } },
  },
});
