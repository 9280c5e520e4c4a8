/**
 * What infra/ uses of its packages although they do not promise it. Each test says at an upgrade which use broke, and
 * what to do about it.
 */
import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";

const resolve = (name: string): string => createRequire(import.meta.url).resolve(name);

/** Tells when the process ends whether something replaced Error.prepareStackTrace, and what a trace is without it. */
const WATCH = `
  const before = Error.prepareStackTrace;
  process.on("exit", () => {
    const replaced = Error.prepareStackTrace !== before;
    Reflect.deleteProperty(Error, "prepareStackTrace");
    process.stdout.write(JSON.stringify({ replaced, trace: new Error("after").stack }));
  });
`;

describe("private interface: Error.prepareStackTrace, which infra/index.ts deletes", () => {
  let folder: string;
  before(() => (folder = mkdtempSync(join(tmpdir(), "omniai-trace-"))));
  after(() => rmSync(folder, { recursive: true, force: true }));

  it("is replaced by what Pulumi runs programs with, and stack traces are whole without it", () => {
    const watch = join(folder, "watch.cjs");
    writeFileSync(watch, WATCH);
    // Without a program it says how it is used and ends; by then it has set itself up.
    const { stdout } = spawnSync(
      process.execPath,
      ["-r", watch, resolve("@pulumi/pulumi/cmd/run/index.js")],
      {
        encoding: "utf8",
      },
    );
    const { replaced, trace } = JSON.parse(stdout) as { replaced: boolean; trace: string };
    assert.equal(replaced, true, "Pulumi leaves it alone now: take the deletion out of infra/index.ts");
    assert.match(
      trace,
      /^Error: after\n {4}at .*watch\.cjs:\d+:\d+/,
      "a trace needs it now: delete it no longer",
    );
  });
});

describe("private interface: isConfigSecret of @pulumi/pulumi, by which infra/config/config.ts knows encrypted keys", () => {
  it("says which keys of the config are encrypted", () => {
    const { isConfigSecret } = pulumi.runtime as unknown as { isConfigSecret?: (key: string) => boolean };
    const before = pulumi.runtime.allConfig();
    const gone = "it is gone: find another way to know encrypted keys, or secrets in the clear pass unseen";
    assert.equal(typeof isConfigSecret, "function", gone);
    pulumi.runtime.setAllConfig({ "omniai:a": "x", "omniai:b": "y" }, ["omniai:a"]);
    assert.deepEqual(
      ["omniai:a", "omniai:b"].map((key) => isConfigSecret?.(key)),
      [true, false],
      gone,
    );
    pulumi.runtime.setAllConfig(before);
  });
});
