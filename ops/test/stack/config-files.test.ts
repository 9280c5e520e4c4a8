/** Reading the config files of a stack. */
import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mergeValues, readConfigFiles } from "../../stack/config-files.ts";

describe("the config files of a stack", () => {
  it("give the stack's values over Pulumi.yaml's defaults, and leave out what is encrypted", () => {
    const project = {
      config: {
        httpPort: { type: "integer", default: 8080 },
        nginxImage: { default: "nginx:1" },
        plain: "x",
        none: { type: "string" },
      },
    };
    const stack = {
      config: { "omniai:httpPort": 9090, "other:httpPort": 1, "omniai:redisImage": { secure: "v1:" } },
    };
    assert.deepEqual(mergeValues(project, stack, "omniai"), {
      httpPort: 9090,
      nginxImage: "nginx:1",
      plain: "x",
    });
  });

  it("are named when they cannot be read", () => {
    const root = mkdtempSync(join(tmpdir(), "ops-config-"));
    try {
      writeFileSync(join(root, "Pulumi.yaml"), "name: omniai\n");
      for (const text of ["config: [\n", "- a list\n"]) {
        writeFileSync(join(root, "Pulumi.dev.yaml"), text);
        assert.throws(
          () => readConfigFiles(root, "dev"),
          /^OpsError: Pulumi\.dev\.yaml (cannot be read: .*|is not a mapping.*)\.$/,
        );
      }
      writeFileSync(join(root, "Pulumi.yaml"), "config: {}\n");
      assert.throws(() => readConfigFiles(root, "dev"), /Pulumi\.yaml does not name the project/);
    } finally {
      rmSync(root, { recursive: true });
    }
  });
});
