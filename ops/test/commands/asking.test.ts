/** What a command that asks refuses before it asks: nobody confirms what cannot be done. */
import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { ROOT } from "../../stack/place.ts";

function run(...args: string[]): { status: number | null; stderr: string } {
  // Without a remote backend, which could only be asked once the tools are there.
  const { PULUMI_BACKEND_URL: _, ...env } = process.env;
  return spawnSync(process.execPath, [join(ROOT, "ops/cli.ts"), ...args], {
    encoding: "utf8",
    env: { ...env, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

describe("a command that asks, without a terminal", () => {
  for (const command of ["up", "host"]) {
    it(`names an unknown stack first: ${command}`, () => {
      const { status, stderr } = run(command, "--stack", "no-such-stack");
      assert.match(stderr, /There is no stack "no-such-stack"/);
      assert.equal(status, 2);
    });
  }

  it("says first that there is no host to prepare: host", () => {
    const { status, stderr } = run("host");
    assert.match(stderr, /Stack dev prepares no host/);
    assert.equal(status, 2);
  });

  it("refuses without --yes only then: up", () => {
    const { status, stderr } = run("up", "--stack", "staging");
    assert.match(stderr, /standard input is no terminal/);
    assert.equal(status, 2);
  });
});
