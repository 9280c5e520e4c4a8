import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import fc from "fast-check";
import { Audit, readChanges, servingBuild, type Change, type Result } from "../../stack/audit.ts";
import { maintenanceProblem } from "../../commands/maintenance.ts";
import {
  configChanges,
  goodVersions,
  KEPT_VERSIONS,
  lastGood,
  obsoleteBuilds,
  rolledBackTo,
} from "../../stack/versions.ts";

describe("the audit", () => {
  let folder: string;
  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), "omniai-audit-"));
  });
  afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

  it("has one line for a change, with who, what, from, to, result and seconds, and no version that is not good", () => {
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
    assert.ok(Math.abs(Date.now() - new Date(time).getTime()) < 5000 && seconds >= 0 && seconds < 5);
    assert.match(who, /^.+@.+$/);
    assert.deepEqual(fs.readdirSync(path.join(folder, "audit")), ["dev.jsonl"]);
    assert.equal(fs.statSync(path.join(folder, "audit/dev.jsonl")).mode & 0o777, 0o600);
  });

  it("tells of a change whose process was killed, once, and leaves one that runs alone", () => {
    const script =
      `const { Audit } = await import(${JSON.stringify(path.join(import.meta.dirname, "../../stack/audit.ts"))});` +
      `new Audit(${JSON.stringify(folder)}, "dev", "up").note({ from: "a", to: "b" }); setTimeout(() => process.kill(process.pid, "SIGKILL"), 1500);`;
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
    const file = path.join(folder, "audit/dev.jsonl");
    fs.appendFileSync(file, '{"time":"20');
    assert.equal(readChanges(folder, "dev").length, 1);
    fs.appendFileSync(file, `\n${"x".repeat(1024 * 1024)}\n`);
    new Audit(folder, "dev", "up").end("succeeded");
    assert.ok(fs.statSync(file).size < 1000);
    assert.equal(readChanges(folder, "dev").length, 2);
  });
});

const change = (action: string, build: string | undefined, result: Result = "succeeded"): Change => ({
  time: "2026-01-01T00:00:00.000Z",
  action,
  who: "me@here",
  to: build,
  result,
  seconds: 1,
  ...(build !== undefined && result === "succeeded" && /up|rollback/.test(action)
    ? { version: { build, imageId: `sha256:${build}`, config: {} } }
    : {}),
});

describe("versions to go back to", () => {
  const builds = (changes: readonly Change[]): string[] => goodVersions(changes).map(({ build }) => build);

  it("are those that were good, the newest first, each once", () => {
    const changes = [
      change("up", "a"),
      change("up", "b"),
      change("up", "c", "failed"),
      change("rollback", "a"),
    ];
    assert.deepEqual(builds(changes), ["a", "b"]);
    assert.equal(rolledBackTo(changes)?.build, "a");
    assert.equal(rolledBackTo([...changes, change("restart", "a")])?.build, "a");
    assert.equal(rolledBackTo([...changes, change("up", "d")]), undefined);
  });

  it("without a name: the one before, or the one that serves when a deploy went wrong", () => {
    const good = [change("up", "a"), change("up", "b")];
    assert.equal(lastGood(good)?.build, "a");
    assert.equal(lastGood([...good, change("maintenance", "on")])?.build, "a");
    assert.equal(lastGood([...good, change("restart", "b")])?.build, "a");
    for (const result of ["failed", "interrupted", "killed"] as const)
      assert.equal(lastGood([...good, change("up", "c", result)])?.build, "b", result);
    assert.equal(lastGood([...good, change("up", undefined, "failed")])?.build, "a", "it deployed nothing");
    assert.equal(lastGood([...good, change("down", undefined)])?.build, "b");
    assert.equal(lastGood([change("up", "a")]), undefined);
  });

  it("what serves is the last good one, and nothing after down", () => {
    assert.equal(servingBuild([change("up", "a"), change("up", "b", "failed")]), "a");
    assert.equal(servingBuild([change("up", "a"), change("down", undefined)]), undefined);
    assert.equal(servingBuild([]), undefined);
  });

  it("keep their images, a bounded number of them; no other stack's image goes", () => {
    const one = fc.tuple(
      fc.constantFrom("up", "rollback", "restart"),
      fc.constantFrom(..."abcdefghijkl"),
      fc.constantFrom<Result>("succeeded", "failed"),
    );
    const history = fc.array(one, { maxLength: 30 }).map((list) => list.map((entry) => change(...entry)));
    fc.assert(
      fc.property(history, history, (own, other) => {
        const gone = new Set(obsoleteBuilds(own, [own, other]));
        for (const changes of [own, other])
          for (const build of builds(changes).slice(0, KEPT_VERSIONS)) assert.ok(!gone.has(build), build);
        const left = new Set(
          own.map(({ to }) => to).filter((build) => build !== undefined && !gone.has(build)),
        );
        assert.ok(left.size <= 2 * KEPT_VERSIONS);
      }),
    );
  });

  it("say which keys of the config differ", () => {
    assert.deepEqual(
      configChanges({ "omniai:logLevel": "debug", a: [1] }, { a: [1], "omniai:httpPort": 1 }),
      ["omniai:httpPort (default) → 1", 'omniai:logLevel "debug" → (default)'],
    );
  });
});

describe("maintenance", () => {
  it("tells everybody the message, and no names", () => {
    const { detail, status, ...rest } = maintenanceProblem('Back at "noon"', new Date(0));
    assert.deepEqual([detail, status], ['Back at "noon"', 503]);
    assert.doesNotMatch(JSON.stringify(rest), new RegExp(os.userInfo().username));
  });
});
