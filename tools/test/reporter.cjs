/**
 * What a person reads is mocha's spec; what the runner adds up and repeats at its end goes to the file named by
 * OMNIAI_TEST_COUNTS, one JSON object a suite. A CommonJS module, because mocha loads reporters with require.
 */
const { writeFileSync } = require("node:fs");
const { reporters, Runner } = require("mocha");

const { EVENT_HOOK_END, EVENT_RUN_END, EVENT_TEST_END } = Runner.constants;

/** How many of the slowest tests and hooks of a suite are kept. */
const SLOWEST = 10;

const titleOf = (test) => test.titlePath().join(" › ");

module.exports = class CountingSpec extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const durations = [];
    const note = (test) => durations.push({ title: titleOf(test), seconds: (test.duration ?? 0) / 1000 });
    runner.on(EVENT_TEST_END, note).on(EVENT_HOOK_END, note);
    runner.once(EVENT_RUN_END, () => {
      const file = process.env.OMNIAI_TEST_COUNTS;
      if (!file) return;
      const { passes, pending } = this.stats;
      const failures = this.failures.map((test) => ({
        title: titleOf(test),
        error: String(test.err?.stack ?? test.err),
      }));
      const slowest = durations.sort((a, b) => b.seconds - a.seconds).slice(0, SLOWEST);
      writeFileSync(file, JSON.stringify({ passed: passes, skipped: pending, failures, slowest }));
    });
  }
};
