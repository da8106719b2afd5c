import type { Reporter, SerializedError, TestModule } from 'vitest/node';

/**
 * Ends a run with `N passed, N failed, N skipped` on a line alone. A file that cannot be loaded and an error outside any test
 * count as failed. With CI=true a skipped test fails the run.
 */
export default class SummaryReporter implements Reporter {
  #summary: string | undefined;
  #skipped: string[] = [];
  #flaky: string[] = [];

  onInit(): void {
    // At exit, so that nothing that vitest prints comes after it.
    process.on('exit', () => this.#finish());
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
    this.#skipped = [];
    this.#flaky = [];
    for (const module of modules) {
      const failedBefore = counts.failed;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (test.diagnostic()?.flaky === true) this.#flaky.push(`${module.relativeModuleId} > ${test.fullName}`);
        counts[state === 'pending' ? 'skipped' : state]++;
        if (state !== 'passed' && state !== 'failed') this.#skipped.push(`${module.relativeModuleId} > ${test.fullName}`);
      }
      if (module.state() === 'failed' && counts.failed === failedBefore) counts.failed++;
    }
    this.#summary = `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`;
  }

  #finish(): void {
    if (this.#summary === undefined) return;
    if (process.env.CI === 'true' && this.#skipped.length > 0) {
      console.error(`With CI=true every test must run. Skipped:\n  ${this.#skipped.join('\n  ')}`);
      process.exitCode ||= 1;
    }
    if (this.#flaky.length > 0) console.error(`Passed only at the second try:\n  ${this.#flaky.join('\n  ')}`);
    console.log(this.#summary);
  }
}
