/** Commands that only look begin at once: loading Pulumi's SDK takes most of a second. */
import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { ROOT } from "../../stack/place.ts";

const LIST = `await import(process.argv[1]);
const { default: { _cache } } = await import("node:module");
console.log(JSON.stringify(Object.keys(_cache)));`;

describe("commands that only look", () => {
  for (const command of ["status", "health", "logs", "history"]) {
    it(`load of Pulumi's SDK no more than its errors: ${command}`, () => {
      const args = ["--input-type=module", "-e", LIST, join(ROOT, "ops/commands", `${command}.ts`)];
      const loaded = JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8" })) as string[];
      const sdk = loaded.filter((file) => /\/@pulumi\//.test(file) && !/\/(errors|utils)\.js$/.test(file));
      assert.ok(
        loaded.some((file) => /\/dockerode\//.test(file)),
        "the list is one of all modules",
      );
      assert.deepEqual(sdk, []);
    });
  }
});
