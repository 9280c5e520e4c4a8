/** Proves when the first step of every npm script installs packages, and on which Node. */
import { strict as assert } from "node:assert";
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isInstalled, lockPackages, outsideNode, wantedStamp } from "../packages.mjs";

describe("the first step of every script", () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "omniai-run-"));
    writeFileSync(join(root, "package.json"), JSON.stringify({ workspaces: ["a"] }));
    writeFileSync(join(root, "package-lock.json"), "{}");
    mkdirSync(join(root, "a"));
    writeFileSync(join(root, "a/package.json"), "{}");
    mkdirSync(join(root, "node_modules/.bin"), { recursive: true });
    mkdirSync(join(root, "elsewhere"));
    for (const folder of ["node_modules/.bin", "elsewhere"])
      writeFileSync(join(root, folder, "node"), "", { mode: 0o755 });
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  it("counts packages as installed only for exactly these manifests", () => {
    assert.equal(isInstalled(root), false);
    writeFileSync(join(root, "node_modules/.omniai-stamp"), `${wantedStamp(root)}\n`);
    assert.equal(isInstalled(root), true);
    writeFileSync(join(root, "a/package.json"), '{"version":"2"}');
    assert.equal(isInstalled(root), false, "a workspace's manifest changed");
  });

  it("does not wait for an installation that left an empty lock", async function () {
    this.timeout(60_000);
    const file = join(root, ".state/npm-ci.lock");
    mkdirSync(join(root, ".state"));
    writeFileSync(file, "");
    utimesSync(file, 0, 0);
    const said: string[] = [];
    const lock = await lockPackages(root, (line: string) => void said.push(line));
    assert.match(said.join("\n"), /^npm: an earlier installation was interrupted; its lock is removed\.$/);
    lock.release();
    assert.equal(existsSync(file), false);
  });

  it("runs npm ci on a Node that it does not delete", () => {
    const [inside, outside] = [join(root, "node_modules/.bin/node"), join(root, "elsewhere/node")];
    const PATH = [join(root, "node_modules/.bin"), join(root, "elsewhere")].join(":");
    assert.equal(outsideNode(root, { PATH }, inside), outside);
    assert.equal(outsideNode(root, { PATH }, "/proc/self/exe"), "/proc/self/exe");
    assert.equal(outsideNode(root, { PATH: "", npm_node_execpath: outside }, inside), outside);
    assert.equal(outsideNode(root, { PATH: join(root, "node_modules/.bin") }, inside), undefined);
    rmSync(outside);
    symlinkSync(inside, outside);
    assert.equal(outsideNode(root, { PATH }, inside), undefined, "a link into node_modules is no way out");
  });
});
