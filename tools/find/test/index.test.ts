/** All parts together: what is said before anything is done, and the environment that comes out. */
import { strict as assert } from "node:assert";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { REPOSITORY_ROOT } from "../../host/context.ts";
import { ToolchainError, type Part } from "../../host/part.ts";
import { withFolder } from "../../host/test/support/folder.ts";
import { programThatSays } from "../../host/test/support/programs.ts";
import { emptyMachine, recorder } from "../../host/test/support/reporter.ts";
import { ensureToolchain, inspectToolchain } from "../index.ts";
import { pulumiPart } from "../pulumi/cli.ts";
import { languagePart } from "../pulumi/language.ts";
import { PLUGIN_PARTS } from "../pulumi/plugin.ts";

const withoutEngine = { pulumi: [pulumiPart, languagePart, ...PLUGIN_PARTS], others: [] as Part[] };

describe("ensureToolchain", () => {
  it("with --no-install lists all that is missing, each with a remedy, and changes nothing", () =>
    withFolder(async (folder) => {
      const { lines, report } = recorder();
      const context = emptyMachine(folder, { install: false, report });
      await assert.rejects(ensureToolchain(context, withoutEngine), (error) => {
        assert.ok(error instanceof ToolchainError);
        for (const part of withoutEngine.pulumi)
          assert.match(error.message, new RegExp(` ${part.name}: \\S+`));
        return true;
      });
      assert.deepEqual(lines, []);
      await assert.rejects(readFile(context.cacheDir), /ENOENT/);
    }));

  it("says before anything is done that Go is missing, and how to get it", () =>
    withFolder(async (folder) => {
      await mkdir(join(folder, "bin"));
      const { lines, report } = recorder();
      const ensured = ensureToolchain(emptyMachine(folder, { report }), withoutEngine);
      await assert.rejects(
        ensured,
        /neither be downloaded nor built here: Go is missing[\s\S]*Install Go 1\.25/,
      );
      assert.deepEqual(lines, []);
    }));

  it("says that Go is too old, and its version", () =>
    withFolder(async (folder) => {
      await programThatSays(join(folder, "bin/go"), "go1.19.8");
      await assert.rejects(ensureToolchain(emptyMachine(folder), withoutEngine), /Go here is 1\.19\.8/);
    }));

  it("says everything that it will do, with a time, before the first step", () =>
    withFolder(async (folder) => {
      // This Go is new enough, but every build fails.
      await programThatSays(join(folder, "bin/go"), "go1.99.0", 0);
      await writeFile(
        join(folder, "bin/go"),
        '#!/bin/sh\n[ "$1" = env ] && { echo go1.99.0; exit; }\necho broken; exit 7\n',
      );
      const { lines, report } = recorder();
      await assert.rejects(
        ensureToolchain(emptyMachine(folder, { report }), withoutEngine),
        /pulumi could not be built: go build ended with 7[\s\S]*broken/,
      );
      assert.match(
        lines[0] ?? "",
        /build the Pulumi CLI 3\.[\s\S]*language host[\s\S]*command[\s\S]*random[\s\S]*docker[\s\S]*about \d+ min/,
      );
      assert.match(lines[1] ?? "", /step: Building pulumi/);
    }));

  it("gives an environment in which the programs that were found come first", () =>
    withFolder(async (folder) => {
      await programThatSays(join(folder, "bin/pulumi"), "v3.300.1");
      for (const part of withoutEngine.pulumi.slice(1))
        await programThatSays(join(folder, "bin", part.name), "99.0.0");
      const chain = await ensureToolchain(emptyMachine(folder), withoutEngine);
      assert.deepEqual(chain.pulumi, {
        command: join(folder, "bin/pulumi"),
        root: folder,
        version: "3.300.1",
        way: "path",
      });
      assert.equal(chain.env.PATH, `${join(REPOSITORY_ROOT, "node_modules/.bin")}:${folder}/bin`);
      assert.equal(chain.env.PULUMI_SKIP_UPDATE_CHECK, "true");
      const statuses = await inspectToolchain(emptyMachine(folder), withoutEngine);
      assert.deepEqual(statuses, [...chain.statuses]);
    }));
});
