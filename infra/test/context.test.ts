/** The build context of the service's image. */
import { strict as assert } from "node:assert";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stageContext } from "../components/backend/context.ts";

const BASE = "node:24-trixie-slim";

describe("stageContext", () => {
  let repository: string;
  let staging: string;

  beforeEach(() => {
    repository = mkdtempSync(join(tmpdir(), "omniai-context-"));
    staging = join(repository, ".state", "build");
    const source = join(import.meta.dirname, "../..");
    cpSync(join(source, "package-lock.json"), join(repository, "package-lock.json"));
    mkdirSync(join(repository, "service", "src"), { recursive: true });
    mkdirSync(join(repository, "service", "test"));
    cpSync(join(source, "service/package.json"), join(repository, "service/package.json"));
    writeFileSync(join(repository, "service/src/main.ts"), "main");
    writeFileSync(join(repository, "service/Dockerfile"), "FROM x");
    writeFileSync(join(repository, "service/test/a.test.ts"), "test");
  });
  afterEach(() => rmSync(repository, { recursive: true, force: true }));

  it("holds what the image is made from, without tests and tools", () => {
    const { folder } = stageContext(repository, staging, BASE);
    assert.deepEqual(readdirSync(folder).sort(), ["package-lock.json", "package.json", "service"]);
    assert.deepEqual(readdirSync(join(folder, "service")).sort(), ["Dockerfile", "package.json", "src"]);
  });

  it("is the same for the same sources, and another for other sources or another base image", () => {
    const first = stageContext(repository, staging, BASE);
    assert.deepEqual(stageContext(repository, staging, BASE), first);
    writeFileSync(join(repository, "service/test/a.test.ts"), "another test");
    assert.deepEqual(stageContext(repository, staging, BASE), first);
    assert.notEqual(stageContext(repository, staging, "node:26").hash, first.hash);
    writeFileSync(join(repository, "service/src/main.ts"), "another main");
    assert.notEqual(stageContext(repository, staging, BASE).hash, first.hash);
  });

  it("keeps a few contexts and no partial ones", () => {
    for (let version = 0; version < 8; version += 1) {
      writeFileSync(join(repository, "service/src/main.ts"), `main ${version}`);
      const { folder } = stageContext(repository, staging, BASE);
      assert.ok(existsSync(folder));
    }
    const left = readdirSync(staging);
    assert.ok(left.length <= 5, left.join(" "));
    assert.ok(left.every((name) => name.startsWith("service-")));
  });
});
