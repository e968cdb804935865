import { defineConfig } from 'vitest/config';

/**
 * No test is about time, so every limit is generous: a machine that is busy with other things, and six times as slow, must come to
 * the same result. What polls without a limit of its own would otherwise give up after a second.
 */
const PATIENCE = { expect: { poll: { timeout: 25_000, interval: 20 } }, hookTimeout: 60_000 };
const MORE_PATIENCE = { expect: { poll: { timeout: 120_000, interval: 20 } }, hookTimeout: 300_000 };

/**
 * Four projects, by what a test needs: `unit` nothing but programs, `oracles` real packages of Debian that are fetched once,
 * `database` a private PostgreSQL cluster that all its files share, `e2e` whole services. A file's name says which:
 * `*.test.ts`, `test/oracles/*.test.ts`, `*.db.test.ts`, `test/e2e/*.e2e.test.ts`.
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'src/**/*.test.tsx', 'test/**/*.test.ts'],
          exclude: ['**/*.db.test.ts', '**/*.e2e.test.ts', 'test/oracles/**'],
          ...PATIENCE,
          testTimeout: 60_000,
          maxWorkers: 2,
        },
      },
      {
        test: {
          name: 'oracles',
          include: ['test/oracles/**/*.test.ts'],
          ...PATIENCE,
          testTimeout: 120_000,
          maxWorkers: 2,
        },
      },
      {
        test: {
          name: 'database',
          include: ['src/**/*.db.test.ts', 'test/**/*.db.test.ts'],
          globalSetup: ['test/postgres-setup.ts'],
          ...MORE_PATIENCE,
          testTimeout: 300_000,
          maxWorkers: 2,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.e2e.test.ts'],
          globalSetup: ['test/postgres-setup.ts'],
          ...MORE_PATIENCE,
          testTimeout: 900_000,
          hookTimeout: 900_000,
          maxWorkers: 1,
          maxConcurrency: 2,
          fileParallelism: false,
        },
      },
    ],
  },
});
