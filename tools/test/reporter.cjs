/**
 * What a person reads is mocha's spec; what the runner adds up and repeats at its end goes to the file named by
 * OMNIAI_TEST_COUNTS, one JSON object a suite. A CommonJS module, because mocha loads reporters with require.
 */
const { writeFileSync } = require("node:fs");
const { reporters, Runner } = require("mocha");

module.exports = class CountingSpec extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const failures = [];
    runner.on(Runner.constants.EVENT_TEST_FAIL, (test, error) => {
      failures.push({ title: test.titlePath().join(" › "), error: String(error?.stack ?? error) });
    });
    runner.once(Runner.constants.EVENT_RUN_END, () => {
      const file = process.env.OMNIAI_TEST_COUNTS;
      const { passes, pending } = this.stats;
      const counts = { passed: passes, failed: this.stats.failures, skipped: pending, failures };
      if (file) writeFileSync(file, JSON.stringify(counts));
    });
  }
};
