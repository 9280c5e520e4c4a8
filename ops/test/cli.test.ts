/** What every command does before it begins. */
import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "../..");

describe("a command whose flag npm kept", function () {
  this.timeout(120_000);
  // No engine and no state: a command that went on would change nothing.
  const env = {
    ...process.env,
    DOCKER_HOST: "unix:///none",
    PULUMI_BACKEND_URL: "file:///none",
    NO_COLOR: "1",
  };
  const npm = (...args: string[]) => spawnSync("npm", ["run", ...args], { cwd: ROOT, encoding: "utf8", env });

  for (const [typed, meant] of [
    [["outputs", "--stack=kept", "--show-secrets"], "npm run outputs -- --stack kept --show-secrets"],
    [["history", "--stack", "kept"], "npm run history -- --stack kept"],
    [["stack", "list", "--stack=kept"], "npm run stack -- list --stack kept"],
    // The flag of another command.
    [["health", "--delete-data"], "npm run health -- --delete-data"],
  ] as const) {
    it(`does nothing: npm run ${typed.join(" ")}`, () => {
      const { status, stdout, stderr } = npm(...typed);
      assert.ok(stderr.includes(`Flags follow "--": ${meant}\n`), stdout + stderr);
      assert.equal(status, 2);
    });
  }
});
