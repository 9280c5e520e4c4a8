/** Where programs are found, and where not. */
import { strict as assert } from "node:assert";
import { mkdirSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { findOnPath, findProgram, systemPath } from "../path.mjs";
import { withFolder } from "./support/folder.ts";

describe("a program on PATH", () => {
  it("is executable, is not a folder, and is outside the excepted folders", () =>
    withFolder((root) => {
      const folders = ["a", "b", "c", "d"].map((name) => join(root, name));
      const [a = "", b = "", c = "", d = ""] = folders;
      for (const folder of folders) mkdirSync(folder);
      writeFileSync(join(a, "tool"), "", { mode: 0o644 });
      mkdirSync(join(b, "tool"));
      for (const folder of [c, d]) writeFileSync(join(folder, "tool"), "", { mode: 0o755 });
      const env = { PATH: ["relative", ...folders].join(delimiter) };
      assert.deepEqual(findOnPath("tool", env), [join(c, "tool"), join(d, "tool")]);
      assert.deepEqual(findOnPath("tool", env, [c]), [join(d, "tool")]);
      assert.deepEqual(findOnPath("tool", env, [join(root, "d")]), [join(c, "tool")]);
      assert.deepEqual(findOnPath("tool", {}), []);
      return Promise.resolve();
    }));

  it("is also looked for in the system's own folders, after PATH", function () {
    if (process.platform === "win32") return this.skip();
    assert.match(findProgram("sh", { PATH: "" }) ?? "", /\/bin\/sh$/);
    assert.ok(systemPath({ PATH: "/mine" }).startsWith(`/mine${delimiter}/usr/local/sbin`));
  });
});
