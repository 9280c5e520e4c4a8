/** The Go tests of the plugins that are built here. */
import { strict as assert } from "node:assert";
import { join } from "node:path";
import { createContext } from "../../host/context.ts";
import { recorder } from "../../host/test/support/reporter.ts";
import { inspectGo, runGo } from "../go.ts";

/** The Go tests of the stand-ins; they use what Go compiled when the stand-ins were built. */
describe("the Go tests of", function () {
  this.timeout(10 * 60_000);
  const context = createContext({ report: recorder().report });

  before(async function () {
    // Where Go is missing nothing is built, so that there is nothing of ours to test.
    if ((await inspectGo(context)).way === "missing") this.skip();
  });

  for (const [folder, ...packages] of [
    ["command", "./local", "./remote"],
    ["docker", "./info", "github.com/terraform-providers/terraform-provider-docker/shim"],
  ] as const) {
    it(`the stand-in for ${folder}`, async () => {
      const lines: string[] = [];
      const module = join(import.meta.dirname, "../pulumi", folder);
      await runGo(context, folder, module, ["test", "-trimpath", "-vet=off", ...packages], (line) =>
        lines.push(line),
      );
      assert.ok(lines.length > 0);
    });
  }
});
