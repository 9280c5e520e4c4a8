/** Which plugin is taken. */
import { strict as assert } from "node:assert";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { REPOSITORY_ROOT } from "../../../host/context.ts";
import { withFolder } from "../../../host/test/support/folder.ts";
import { programThatSays } from "../../../host/test/support/programs.ts";
import { emptyMachine } from "../../../host/test/support/reporter.ts";
import { PLUGIN_PARTS } from "../../pulumi/plugin.ts";

const dockerPlugin = PLUGIN_PARTS.find((part) => part.name === "pulumi-resource-docker");

describe("a plugin", () => {
  it("is the one on PATH when that is new enough, else the one that Pulumi installed", () =>
    withFolder(async (folder) => {
      assert.ok(dockerPlugin);
      const context = emptyMachine(folder);
      const program = join(folder, "bin/pulumi-resource-docker");
      await programThatSays(program, "4.0.0");
      assert.equal((await dockerPlugin.inspect(context)).way, "missing");

      const wanted = (
        JSON.parse(
          await readFile(join(REPOSITORY_ROOT, "node_modules/@pulumi/docker/package.json"), "utf8"),
        ) as {
          pulumi: { version: string };
        }
      ).pulumi.version;
      const installed = join(folder, `.pulumi/plugins/resource-docker-v${wanted}`);
      await programThatSays(join(installed, "pulumi-resource-docker"), "");
      assert.equal((await dockerPlugin.inspect(context)).way, "downloaded");

      await writeFile(`${installed}.partial`, "");
      assert.equal((await dockerPlugin.inspect(context)).way, "missing", "it is still being installed");

      await programThatSays(program, "99.0.0");
      assert.equal((await dockerPlugin.inspect(context)).way, "path");
    }));
});
