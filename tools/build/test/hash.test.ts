/** What a recipe's hash follows, and what it does not. */
import { strict as assert } from "node:assert";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { withFolder } from "../../host/test/support/folder.ts";
import { hashFolder } from "../hash.ts";

describe("hashFolder", () => {
  it("changes with a file's content, name or executable bit and with the arguments, and not with Go tests", () =>
    withFolder((folder) => {
      mkdirSync(join(folder, "sub"));
      writeFileSync(join(folder, "sub", "a.go"), "1");
      const first = hashFolder(folder, {});
      writeFileSync(join(folder, "sub", "a_test.go"), "1");
      assert.equal(hashFolder(folder, {}), first);
      const hashes = [first, hashFolder(folder, { more: "1" }), hashFolder(folder, { more: "2" })];
      writeFileSync(join(folder, "sub", "a.go"), "2");
      hashes.push(hashFolder(folder, {}));
      chmodSync(join(folder, "sub", "a.go"), 0o755);
      hashes.push(hashFolder(folder, {}));
      writeFileSync(join(folder, "b.go"), "");
      hashes.push(hashFolder(folder, {}));
      assert.equal(new Set(hashes).size, hashes.length);
      return Promise.resolve();
    }));
});
