/** Which Pulumi CLI is taken. */
import { strict as assert } from "node:assert";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { REPOSITORY_ROOT } from "../../../host/context.ts";
import { withFolder } from "../../../host/test/support/folder.ts";
import { programThatSays } from "../../../host/test/support/programs.ts";
import { emptyMachine } from "../../../host/test/support/reporter.ts";
import { pulumiPart } from "../../pulumi/cli.ts";

describe("the Pulumi CLI", () => {
  it("is the one on PATH when that is new enough", () =>
    withFolder(async (folder) => {
      await programThatSays(join(folder, "bin/pulumi"), "v3.300.1");
      assert.deepEqual(await pulumiPart.inspect(emptyMachine(folder)), {
        name: "pulumi",
        version: "3.300.1",
        way: "path",
        location: join(folder, "bin/pulumi"),
      });
    }));

  it("is not one that is too old, and the remedy names that one", () =>
    withFolder(async (folder) => {
      await programThatSays(join(folder, "bin/pulumi"), "v3.100.0");
      const status = await pulumiPart.inspect(emptyMachine(folder));
      assert.equal(status.way, "missing");
      assert.match(status.remedy ?? "", /3\.259\.0 or newer.*bin\/pulumi is 3\.100\.0/);
    }));

  it("is a downloaded one rather than one that was built", () =>
    withFolder(async (folder) => {
      const context = emptyMachine(folder);
      const { version } = JSON.parse(
        await readFile(join(REPOSITORY_ROOT, "node_modules/@pulumi/pulumi/package.json"), "utf8"),
      ) as { version: string };
      const name = `${version}-official-${process.platform}-${process.arch}`;
      await programThatSays(join(context.cacheDir, "pulumi", name, "bin/pulumi"), "");
      const status = await pulumiPart.inspect(context);
      assert.deepEqual([status.way, status.version], ["downloaded", version]);
    }));

  it("is not found twice: the cache's own files do not count as installed", () =>
    withFolder(async (folder) => {
      const context = emptyMachine(folder, { env: { PATH: `${folder}/cache/bin/1-x` } });
      await programThatSays(join(folder, "cache/bin/1-x/pulumi"), "v9.9.9");
      assert.equal((await pulumiPart.inspect(context)).way, "missing");
    }));
});
