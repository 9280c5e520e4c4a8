/** The stack files of this repository. */
import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { stackFiles } from "../../stack/config-files.ts";
import { checkConfig, readSettings } from "../../stack/settings.ts";

const ROOT = join(import.meta.dirname, "../../..");

describe("the stacks of this repository", () => {
  it("differ in their config alone, and each config is right", () => {
    const stacks = stackFiles(ROOT);
    for (const stack of ["dev", "staging", "prod"]) assert.ok(stacks.includes(stack), stack);
    for (const stack of ["dev", "staging", "prod"]) checkConfig(stack, readSettings(ROOT, stack));
  });

  it("can run side by side on one engine", () => {
    const ports = ["dev", "staging", "prod"].flatMap((stack) => {
      const { config } = readSettings(ROOT, stack);
      return [config.httpPort, config.httpsPort];
    });
    assert.ok(ports.every((port) => port !== undefined));
    assert.equal(new Set(ports).size, ports.length);
  });

  it("leave staging's images to their tags, until `stack -- pin` writes digests", () => {
    assert.doesNotMatch(readFileSync(join(ROOT, "Pulumi.staging.yaml"), "utf8"), /sha256:/);
  });
});
