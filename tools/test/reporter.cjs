/**
 * What a person reads is mocha's spec; what the runner adds up and repeats at its end goes to the file named by
 * OMNIAI_TEST_COUNTS, one JSON object a suite. A CommonJS module, because mocha loads reporters with require.
 */
const { writeFileSync } = require("node:fs");
const { reporters, Runner } = require("mocha");

module.exports = class CountingSpec extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    runner.once(Runner.constants.EVENT_RUN_END, () => {
      const file = process.env.OMNIAI_TEST_COUNTS;
      const { passes, pending } = this.stats;
      const failures = this.failures.map((test) => ({
        title: test.titlePath().join(" › "),
        error: String(test.err?.stack ?? test.err),
      }));
      if (file) writeFileSync(file, JSON.stringify({ passed: passes, skipped: pending, failures }));
    });
  }
};
