/** Proves that a suite which does not end cannot hold up the others. */
import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runSuite, type SuiteResult } from "./run-suite.ts";

describe("a suite", () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "omniai-suite-"))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** @param leaveSeconds how long the suite may still run after its last test */
  const run = (body: string, leaveSeconds: number): Promise<SuiteResult> => {
    const spec = join(folder, "some.test.cjs");
    writeFileSync(spec, `const { spawn } = require("node:child_process"); it("holds", () => { ${body} });`);
    const command = ["mocha", "--no-config", "--reporter", "tools/test/reporter.cjs", spec];
    return runSuite(
      { name: "some", group: "unit", command, counted: true, needs: [] },
      process.env,
      folder,
      () => undefined,
      leaveSeconds,
    );
  };

  for (const [what, body] of [
    ["a server that a test left open", "require('node:net').createServer().listen(0)"],
    [
      "a program that a test left behind",
      "spawn('sleep', ['60'], { detached: true, stdio: 'inherit' }).unref()",
    ],
  ] as const)
    it(`is ended and told of for ${what}`, async () => {
      const { passed, failures } = await run(body, 1);
      assert.equal(passed, 1);
      assert.deepEqual(
        failures.map(({ title }) => title),
        ["some"],
      );
      assert.match(failures[0]?.error ?? "", /still ran 1 s after its last test/);
    });

  it("that ends is left alone", async () => {
    // On a busy machine even a program with nothing to do takes seconds to end.
    const { passed, failures } = await run("", 60);
    assert.deepEqual([passed, failures], [1, []]);
  });
});
