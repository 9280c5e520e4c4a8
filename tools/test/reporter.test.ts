/** Proves what the runner is told about a suite. */
import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Counts } from "./run-suite.ts";

const REPOSITORY = join(import.meta.dirname, "../..");

describe("the reporter of the runner", () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "omniai-reporter-"))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it("counts, and keeps the slowest tests and where and why a test failed", () => {
    const [spec, counts] = [join(folder, "some.test.cjs"), join(folder, "counts.json")];
    writeFileSync(
      spec,
      `describe("a room", () => {
         it("holds", () => new Promise((resolve) => setTimeout(resolve, 50)));
         it("is left out");
         it("leaks", () => { throw new Error("water on the floor"); });
         describe("upstairs", () => { before(() => { throw new Error("no stairs"); }); it("is dry", () => {}); });
       });`,
    );
    const { status } = spawnSync(
      process.execPath,
      ["node_modules/mocha/bin/mocha.js", "--no-config", "--reporter", "tools/test/reporter.cjs", spec],
      { cwd: REPOSITORY, env: { ...process.env, OMNIAI_TEST_COUNTS: counts } },
    );
    assert.notEqual(status, 0);
    const { failures, slowest, ...sums } = JSON.parse(readFileSync(counts, "utf8")) as Counts;
    assert.deepEqual({ ...sums, failed: failures.length }, { passed: 1, failed: 2, skipped: 1 });
    assert.equal(slowest[0]?.title, "a room › holds");
    assert.ok((slowest[0]?.seconds ?? 0) >= 0.049, JSON.stringify(slowest));
    assert.deepEqual(
      failures.map(({ title, error }) => [title, error.split("\n")[0]]),
      [
        ["a room › leaks", "Error: water on the floor"],
        ['a room › upstairs › "before all" hook for "is dry"', "Error: no stairs"],
      ],
    );
  });
});
