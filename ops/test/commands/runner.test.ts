/** What a command refuses on a CI runner, whose own engine is never that of a stack. */
import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createCheckout, removeCheckout } from "../../../test/support/checkout.ts";

describe("on a CI runner, with a stack that names no engine", () => {
  // A copy with a stack file of its own: this checkout's may name the engine of a real stack.
  let checkout: string;
  before(() => {
    checkout = createCheckout();
    writeFileSync(join(checkout, "Pulumi.staging.yaml"), "config:\n  omniai:environment: staging\n");
  });
  after(() => removeCheckout(checkout));

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
        [join(checkout, "ops/cli.ts"), command, "--stack", "staging", "--no-install", ...rest],
        {
          cwd: checkout,
          encoding: "utf8",
          env: {
            ...process.env,
            ...{ CI: "true", DOCKER_HOST: "unix:///none", NO_COLOR: "1", PULUMI_BACKEND_URL: "" },
          },
          stdio: ["ignore", "pipe", "pipe"],
        },
      );
      assert.match(stderr, /Stack staging names no Docker engine, and this is a CI runner/);
      assert.equal(status, 2);
    });
  }
});
