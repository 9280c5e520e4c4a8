/** The record of an engine that was started here, which alone is ever stopped. */
import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bootId, startTimeOf } from "../../../host/process.mjs";
import { testContext } from "../../../host/test/support/engine.ts";
import { stopEngine } from "../../engine/index.ts";
import { isSameProcess, parseRecord, writeRecord, type EngineRecord } from "../../engine/record.ts";

describe("engine: the record of one started here", () => {
  const record: EngineRecord = {
    pid: 4711,
    startTime: "100",
    boot: "b",
    host: "unix:///var/run/docker.sock",
    starter: "direct",
  };

  it("fits only the same process of the same boot", () => {
    assert.equal(isSameProcess(record, { boot: "b", startTime: "100", name: "dockerd" }), true);
    assert.equal(
      isSameProcess(record, { boot: "b", startTime: "101", name: "dockerd" }),
      false,
      "pid used again",
    );
    assert.equal(
      isSameProcess(record, { boot: "c", startTime: "100", name: "dockerd" }),
      false,
      "another boot",
    );
    assert.equal(
      isSameProcess(record, { boot: "b", startTime: "100", name: "postgres" }),
      false,
      "another program",
    );
    assert.equal(isSameProcess(record, { boot: "b", startTime: undefined, name: undefined }), false, "gone");
  });

  it("is complete or does not count", () => {
    assert.equal(parseRecord(JSON.stringify(record))?.pid, 4711);
    for (const text of [
      "",
      "{",
      "[]",
      "null",
      JSON.stringify({ ...record, pid: 1 }),
      JSON.stringify({ ...record, boot: 3 }),
    ]) {
      assert.equal(parseRecord(text), undefined, text);
    }
  });

  it("never stops a later process with the recorded pid", async function () {
    if (process.platform !== "linux") return this.skip();
    const folder = mkdtempSync(join(tmpdir(), "omniai-record-"));
    try {
      // This test's own process stands for the later one.
      const file = join(folder, "engine.json");
      writeRecord(file, {
        ...record,
        pid: process.pid,
        boot: bootId(),
        startTime: startTimeOf(process.pid) ?? "",
      });
      const result = await stopEngine(testContext(folder), file);
      assert.equal(result.stopped, false);
      assert.match(result.message, /does not run any more/);
      assert.match((await stopEngine(testContext(folder), file)).message, /was not started here/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
