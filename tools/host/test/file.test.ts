/** A file that is written whole. */
import { strict as assert } from "node:assert";
import { mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { writeWhole } from "../file.mjs";
import { withFolder } from "./support/folder.ts";

describe("writeWhole", () => {
  it("replaces the content, with the mode that was asked for, and leaves nothing beside it", () =>
    withFolder((folder) => {
      const file = join(folder, "file");
      writeWhole(file, "first");
      writeWhole(file, "second", { mode: 0o600 });
      assert.equal(readFileSync(file, "utf8"), "second");
      assert.equal(statSync(file).mode & 0o777, 0o600);
      assert.deepEqual(readdirSync(folder), ["file"]);
      return Promise.resolve();
    }));

  it("leaves nothing beside the file when it fails either", () =>
    withFolder((folder) => {
      mkdirSync(join(folder, "file"));
      assert.throws(() => writeWhole(join(folder, "file"), "text"), /EISDIR|ENOTEMPTY|EEXIST|EPERM/);
      assert.deepEqual(readdirSync(folder), ["file"]);
      return Promise.resolve();
    }));
});
