/** Proves what `npm test -- --list` shows, and that every test file belongs to exactly the suites that it should. */
import { strict as assert } from "node:assert";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, matchesGlob } from "node:path";
import { SUITES } from "./suites.ts";
import { keepTimes, listing, readTimes } from "./times.ts";

const REPOSITORY = join(import.meta.dirname, "../..");

describe("the suites", () => {
  it("are listed with their last times, which a later run of other suites keeps", () => {
    const folder = mkdtempSync(join(tmpdir(), "omniai-times-"));
    const file = join(folder, "deeper", "times.json");
    try {
      const date = "2026-11-26T07:30:00.000Z";
      keepTimes({ infra: { seconds: 1, passed: 1, failed: 0, date } }, file);
      keepTimes({ infra: { seconds: 8.25, passed: 227, failed: 0, date } }, file);
      keepTimes({ ops: { seconds: 61, passed: 90, failed: 2, date } }, file);
      const lines = listing(SUITES, readTimes(file));
      assert.ok(
        lines.includes("  infra                8.3 s  227 passed  (2026-11-26 07:30 UTC)"),
        lines.join("\n"),
      );
      assert.ok(lines.includes("  ops                 61.0 s  90 passed, 2 failed  (2026-11-26 07:30 UTC)"));
      assert.ok(lines.includes("  e2e-stack        not run here yet"));
      for (const { name } of SUITES)
        assert.ok(
          lines.some((line) => line.trim().split(" ")[0] === name),
          name,
        );
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("have every test file of the repository", () => {
    const files = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
      cwd: REPOSITORY,
      encoding: "utf8",
    })
      .split("\0")
      .filter((path) => path.endsWith(".test.ts"));
    assert.ok(files.length > 100);
    const patterns = SUITES.filter(({ counted }) => counted).map(({ command }) => command.at(-1) ?? "");
    for (const file of files)
      assert.ok(
        patterns.some((pattern) => matchesGlob(file, pattern)),
        file,
      );
  });

  it("say which names there are when one is wrong", () => {
    for (const [argument, expected] of [
      ["infr", /no suite or group infr; there are: lint, unit, .*infra/],
      ["--lst", /no option --lst; there are: --list, --no-install/],
    ] as const) {
      const main = join(REPOSITORY, "tools/test/main.ts");
      const { status, stderr } = spawnSync(process.execPath, [main, argument], { encoding: "utf8" });
      assert.equal(status, 2, stderr);
      assert.match(stderr, expected);
    }
  });
});
