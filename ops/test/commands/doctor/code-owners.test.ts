/** What the owners' file says, and what doctor makes of it. */
import { strict as assert } from "node:assert";
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkCodeOwners, withoutOwner } from "../../../commands/doctor/code-owners.ts";

const REPOSITORY = join(import.meta.dirname, "../../../..");

describe("the code owners", () => {
  it("are asked about the policies, the exceptions and the workflows", () => {
    const text = readFileSync(join(REPOSITORY, ".github/CODEOWNERS"), "utf8");
    const paths = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    const patterns = paths.map((line) => line.split(" ")[0]?.slice(1) ?? "");
    for (const needed of ["policies/", ".github/", "Pulumi.*.yaml"])
      assert.ok(patterns.includes(needed), needed);
    for (const pattern of patterns) assert.ok(globSync(pattern, { cwd: REPOSITORY }).length > 0, pattern);
    assert.ok(existsSync(join(REPOSITORY, "policies/known-scripts.json")), "among the policies");
  });

  it("are missing where a path has none", () => {
    assert.deepEqual(withoutOwner("# nothing\n/a/\n/b/ @somebody # why\n\n/c @team/x @y\n"), ["/a/"]);
  });

  it("are told by doctor, which is content either way", () => {
    const root = mkdtempSync(join(tmpdir(), "omniai-owners-"));
    try {
      mkdirSync(join(root, ".github"));
      const told = (text: string) => {
        writeFileSync(join(root, ".github/CODEOWNERS"), text);
        return checkCodeOwners(root);
      };
      assert.match(
        told("/policies/\n").detail,
        /nobody has to look at changes of \/policies\/:.*Write an owner behind each path/,
      );
      assert.match(told("/policies/ @somebody\n").detail, /^somebody has to look/);
      assert.ok(told("/policies/\n").good);
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });
});
