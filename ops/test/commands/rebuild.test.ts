/** How far a rebuild has come, so that the same command goes on from there. */
import { strict as assert } from "node:assert";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  forgetProgress,
  isDone,
  readProgress,
  unreadableCopy,
  writeProgress,
  type RebuildProgress,
} from "../../commands/rebuild/progress.ts";
import { lookAgain, onlyData, refuseLive, stillThere } from "../../commands/rebuild/rebuild.ts";
import type { Backend } from "../../stack/backend.ts";
import { OpsError } from "../../terminal/errors.ts";

describe("a machine that a stack is rebuilt on", () => {
  const known = [{ workload: "postgres", since: "2026-03-01T02:00:00Z" }];
  const unseen = { known, lost: ["postgres"], reached: false };
  const seen = { known, lost: [], reached: true };

  it("is prepared where it does not answer, and its data is looked at only then", async () => {
    let isPrepared = false;
    const look = () => Promise.resolve(isPrepared ? seen : unseen);
    const prepare = () => Promise.resolve((isPrepared = true));
    assert.equal(await lookAgain(look, undefined), unseen);
    assert.equal(await lookAgain(look, prepare), seen);
    assert.equal(isPrepared, true);
  });

  it("is left as it is where it answers", async () => {
    const prepare = () => Promise.reject(new Error("prepared"));
    assert.equal(await lookAgain(() => Promise.resolve(seen), prepare), seen);
  });
});

describe("the progress of a rebuild", () => {
  const copy = { id: "0123abcd", at: "2026-03-01T02:00:00Z", stack: "prod", bytes: 7 };
  let backend: Backend;
  beforeEach(() => {
    backend = { own: true, stateDir: mkdtempSync(join(tmpdir(), "omniai-rebuild-")), env: {} };
  });
  afterEach(() => rmSync(backend.stateDir, { recursive: true }));

  it("is nothing before it begins and after it is over", () => {
    assert.equal(readProgress(backend, "prod"), undefined);
    writeProgress(backend, "prod", { copy, step: "begun" });
    assert.equal(readProgress(backend, "other"), undefined);
    forgetProgress(backend, "prod");
    assert.equal(readProgress(backend, "prod"), undefined);
  });

  it("keeps the copy that everything comes from, and which steps are done", () => {
    const brought = { tables: 3, rows: 1000, until: "2026-03-01 01:59:00+00" };
    for (const step of ["deploying", "deployed"] as const) {
      writeProgress(backend, "prod", { copy, step });
      assert.equal(readProgress(backend, "prod")?.step, step);
    }
    writeProgress(backend, "prod", { copy, step: "restored", brought });
    assert.deepEqual(readProgress(backend, "prod"), { copy, step: "restored", brought });
    const deployed: RebuildProgress = { copy, step: "deployed" };
    assert.deepEqual(
      (["begun", "imported", "deployed", "restored"] as const).map((step) => isDone(deployed, step)),
      [true, true, true, false],
    );
  });

  it("that cannot be read ends the command before anything is changed", () => {
    mkdirSync(join(backend.stateDir, "rebuild"));
    for (const text of ["", "{}", '{"step":"elsewhere","copy":{"id":"a"}}', '{"step":"begun","copy":{}}']) {
      writeFileSync(join(backend.stateDir, "rebuild/prod.json"), text);
      assert.throws(() => readProgress(backend, "prod"), /how far the rebuild of stack prod has come/, text);
    }
  });

  it("whose copy is gone says which file to remove to begin anew", () => {
    const cause = new OpsError("There is no copy 0123abcd.", "npm run backup -- copies");
    const error = unreadableCopy(backend, "prod", { copy, step: "begun" }, cause);
    assert.match(error.message, /Copy 0123abcd .*There is no copy/);
    assert.match(error.remedy, /npm run backup -- copies/);
    assert.ok(error.remedy.includes(`rm ${join(backend.stateDir, "rebuild/prod.json")}`), error.remedy);
  });
});

describe("a rebuild", () => {
  it("says what brings the data back alone, and nothing that a server of others refuses", () => {
    const own = onlyData("prod", {});
    assert.match(own, /--accept-empty postgres,redis,backup/);
    assert.match(own, /restore .*--latest --replace/);
    const external = onlyData("prod", { database: "external" });
    assert.match(external, /--accept-empty redis,backup/);
    assert.doesNotMatch(external.replace(/.*--redis.*/, ""), /--replace/);
    assert.match(external, /--redis --latest --replace/);
    assert.doesNotMatch(onlyData("prod", { database: "external", redis: "external" }), /--replace|redis/);
  });

  it("is refused where data is there that it would put an older copy in place of", () => {
    const at = "2026-03-01T02:00:00Z";
    const names = ["postgres", "redis", "backup"];
    const known = names.map((workload) => ({ workload, since: "2026-01-01T00:00:00Z" }));
    assert.deepEqual(stillThere(known, [], at), ["postgres", "redis"]);
    assert.deepEqual(stillThere(known, ["backup", "redis"], at), ["postgres"]);
    assert.deepEqual(stillThere(known, names, at), []);
    assert.deepEqual(stillThere([], [], at), []);
    // A rebuild that was killed while it deployed finds what it has begun empty itself.
    const own = names.map((workload) => ({ workload, since: "2026-03-02T00:00:00Z" }));
    assert.deepEqual(stillThere(own, [], at), []);
    assert.deepEqual(stillThere([{ workload: "redis" }], [], at), ["redis"]);
    assert.match(refuseLive("prod", ["postgres"]).message, /prod is not lost: the data of postgres/);
  });
});
