/** The commit that the service is said to be built from. */
import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { commitOf } from "../components/backend/commit.ts";

describe("commitOf", () => {
  const folder = mkdtempSync(join(tmpdir(), "omniai-commit-"));
  after(() => rmSync(folder, { recursive: true }));
  const who = ["-c", "user.name=test", "-c", "user.email=test@example.org"];
  const git = (...args: string[]): string =>
    execFileSync("git", ["-C", folder, ...who, ...args], { encoding: "utf8" }).trim();
  const commit = (path: string, content: string): string => {
    writeFileSync(join(folder, path), content);
    git("add", "-A");
    git("commit", "-q", "-m", path);
    return git("rev-parse", "HEAD");
  };

  it("is that of the last change of the service, and none where there is none or it is not known", () => {
    assert.equal(commitOf(folder), undefined, "no repository");
    git("init", "-q");
    mkdirSync(join(folder, "service"));
    const first = commit("service/main.ts", "1");
    commit("README.md", "not the service's");
    assert.equal(commitOf(folder), first);
    writeFileSync(join(folder, "service/main.ts"), "2");
    assert.equal(commitOf(folder), undefined, "changes that are in no commit");
    const second = commit("service/main.ts", "2");
    assert.equal(commitOf(folder), second);
    const shallow = join(folder, "shallow");
    execFileSync("git", ["clone", "-q", "--depth", "1", `file://${folder}`, shallow]);
    assert.equal(commitOf(shallow), undefined, "a shallow clone");
  });
});
