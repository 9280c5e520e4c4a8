/** What a command refuses on a CI runner, whose own engine is never that of a stack. */
import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { ROOT } from "../../stack/place.ts";

describe("on a CI runner, with a stack that names no engine", () => {
  for (const args of [
    ["up", "--yes"],
    ["down", "--yes"],
    ["restart"],
    ["rollback"],
    ["drift"],
    ["restore", "--latest", "--replace", "--yes"],
  ]) {
    it(`is refused before anything is made ready: ${args.join(" ")}`, () => {
      const [command = "", ...rest] = args;
      const { status, stderr } = spawnSync(
        process.execPath,
        [join(ROOT, "ops/cli.ts"), command, "--stack", "staging", "--no-install", ...rest],
        {
          encoding: "utf8",
          env: { ...process.env, CI: "true", DOCKER_HOST: "unix:///none", NO_COLOR: "1" },
          stdio: ["ignore", "pipe", "pipe"],
        },
      );
      assert.match(stderr, /Stack staging names no Docker engine, and this is a CI runner/);
      assert.equal(status, 2);
    });
  }
});
