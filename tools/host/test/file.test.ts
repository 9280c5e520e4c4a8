/** A file that is written whole. */
import { strict as assert } from "node:assert";
import { fstatSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
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

  it("has the content on the disk before its name, and then the name, where that is asked for", () =>
    withFolder((folder) => {
      const synced: string[] = [];
      const fs = process.getBuiltinModule("node:fs");
      const { fsyncSync, renameSync } = fs;
      fs.fsyncSync = (file) => {
        synced.push(fstatSync(file).isDirectory() ? "folder" : "file");
        fsyncSync(file);
      };
      fs.renameSync = (from, to) => {
        synced.push("named");
        renameSync(from, to);
      };
      syncBuiltinESMExports();
      try {
        writeWhole(join(folder, "file"), "text");
        assert.deepEqual(synced.splice(0), ["named"]);
        writeWhole(join(folder, "file"), "text", { synced: true });
        assert.deepEqual(synced, ["file", "named", ...(process.platform === "win32" ? [] : ["folder"])]);
      } finally {
        Object.assign(fs, { fsyncSync, renameSync });
        syncBuiltinESMExports();
      }
      return Promise.resolve();
    }));
});
