/** Which language host is taken. */
import { strict as assert } from "node:assert";
import { join } from "node:path";
import { withFolder } from "../../../host/test/support/folder.ts";
import { programThatSays } from "../../../host/test/support/programs.ts";
import { emptyMachine } from "../../../host/test/support/reporter.ts";
import { languagePart } from "../../pulumi/language.ts";

describe("the language host", () => {
  it("is the one beside the CLI, with a version of its own", () =>
    withFolder(async (folder) => {
      await programThatSays(join(folder, "bin/pulumi"), "v3.300.1");
      await programThatSays(join(folder, "bin/pulumi-language-nodejs"), "v3.301.0");
      const status = await languagePart.inspect(emptyMachine(folder));
      assert.deepEqual([status.way, status.version], ["path", "3.301.0"]);
    }));
});
