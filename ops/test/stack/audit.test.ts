/** The record of who changed what. */
import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { appendFileSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Audit, readChanges, servingBuild } from "../../stack/audit.ts";
import { change } from "../support/changes.ts";

describe("the audit", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "omniai-audit-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it("records a change in one line: who, what, from, to, result and seconds, and a version only if it is good", () => {
    const audit = new Audit(folder, "dev", "up");
    audit.note({ from: "old", to: "new" });
    audit.note({ version: { build: "new", imageId: "sha256:1", config: {} } });
    audit.end("failed", "it is broken\nin many ways");
    audit.end("succeeded");
    const [change, ...rest] = readChanges(folder, "dev");
    assert.deepEqual(rest, []);
    const { time, who, seconds, ...facts } = change ?? assert.fail();
    assert.deepEqual(facts, {
      action: "up",
      from: "old",
      to: "new",
      result: "failed",
      reason: "it is broken",
    });
    assert.ok(Math.abs(Date.now() - new Date(time).getTime()) < 60_000 && seconds >= 0 && seconds < 60);
    assert.match(who, /^.+@.+$/);
    assert.deepEqual(readdirSync(join(folder, "audit")), ["dev.jsonl"]);
    assert.equal(statSync(join(folder, "audit/dev.jsonl")).mode & 0o777, 0o600);
  });

  it("records a change whose process was killed once, and leaves a running one alone", () => {
    const script =
      // Killed when it has said a second time that it still runs.
      `const { readdirSync, statSync } = await import("node:fs");` +
      `const { Audit } = await import(${JSON.stringify(join(import.meta.dirname, "../../stack/audit.ts"))});` +
      `new Audit(${JSON.stringify(folder)}, "dev", "up").note({ from: "a", to: "b" }); ` +
      `const folder = ${JSON.stringify(join(folder, "audit"))};` +
      `const file = folder + "/" + readdirSync(folder).find((name) => name.endsWith(".open"));` +
      `const first = statSync(file).mtimeMs;` +
      `setInterval(() => statSync(file).mtimeMs > first && process.kill(process.pid, "SIGKILL"), 50);`;
    assert.equal(spawnSync(process.execPath, ["--input-type=module", "-e", script]).signal, "SIGKILL");
    const running = new Audit(folder, "dev", "restart");
    const [killed, ...rest] = readChanges(folder, "dev");
    assert.deepEqual(rest, []);
    assert.deepEqual([killed?.action, killed?.to, killed?.result], ["up", "b", "killed"]);
    assert.ok((killed?.seconds ?? 0) >= 0.9, "how long it had gone on");
    new Audit(folder, "dev", "maintenance").end("succeeded");
    assert.equal(readChanges(folder, "dev").length, 2);
    running.end("interrupted");
    assert.deepEqual(
      readChanges(folder, "dev").map(({ result }) => result),
      ["killed", "succeeded", "interrupted"],
    );
  });

  it("does not grow for ever, and survives a line that was cut off", () => {
    new Audit(folder, "dev", "up").end("succeeded");
    const file = join(folder, "audit/dev.jsonl");
    appendFileSync(file, '{"time":"20');
    assert.equal(readChanges(folder, "dev").length, 1);
    appendFileSync(file, `\n${"x".repeat(1024 * 1024)}\n`);
    new Audit(folder, "dev", "up").end("succeeded");
    assert.ok(statSync(file).size < 1000);
    assert.equal(readChanges(folder, "dev").length, 2);
  });

  it("knows what serves: the last good version, and nothing after down", () => {
    assert.equal(servingBuild([change("up", "a"), change("up", "b", "failed")]), "a");
    assert.equal(servingBuild([change("up", "a"), change("down", undefined)]), undefined);
    assert.equal(servingBuild([]), undefined);
  });
});
