/** The health checks of dependencies, without the dependencies. */
import { strict as assert } from "node:assert";
import { EventEmitter } from "node:events";
import type { LogState } from "../../src/events/log/log.ts";
import { pino } from "pino";
import { Checks, type Check } from "../../src/health/checks.ts";
import { databaseCheck, lagCheck } from "../../src/health/dependencies.ts";
import { PostgresReportStore } from "../../src/reports/store.ts";
import { eventually } from "../support/wait.ts";

describe("the database check", () => {
  function fullPool() {
    const pool = Object.assign(new EventEmitter(), {
      waitingCount: 5,
      idleCount: 0,
      totalCount: 10,
      options: { max: 10 },
      connect: () =>
        Promise.resolve({ query: () => Promise.resolve({ rows: [] }), release: () => undefined }),
    });
    let now = 0;
    const check = databaseCheck(pool as never, 1000, () => now);
    return { pool, check, pass: (ms: number) => void (now += ms) };
  }

  it("warns of a full pool while its queries come to an end", async () => {
    const { pool, check, pass } = fullPool();
    for (let n = 0; n < 5; n++) {
      pass(3000);
      pool.emit("release", undefined);
      assert.equal((await check.run()).status, "warn");
    }
  });

  it("fails when no query has succeeded for seconds, however many come back with an error", async () => {
    const { pool, check, pass } = fullPool();
    pass(3000);
    pool.emit("release", new Error("timeout"));
    assert.equal((await check.run()).status, "warn");
    pass(1500);
    await assert.rejects(check.run(), /none has answered for 4500 ms/);
    pool.emit("release", undefined);
    assert.equal((await check.run()).status, "warn");
    pool.waitingCount = 0;
    pass(60_000);
    assert.equal((await check.run()).status, undefined, "asked, and answered");
  });
});

describe("the check of the event reader's lag", () => {
  const state = (epoch: string, count: number): Promise<LogState> =>
    Promise.resolve({ epoch, first: undefined, last: "1-0", count, length: 0, bytes: 0 });
  const run = (count: number, log: Promise<LogState>) =>
    lagCheck(
      { status: { count } },
      { position: { epoch: "aaaa" } },
      { state: () => log },
      {
        maxLagEntries: 100,
        deadlineMs: 100,
      },
    ).run();

  it("fails when the reader is too far behind the log's count", async () => {
    assert.deepEqual(await run(900, state("aaaa", 1000)), { value: 100, unit: "entries" });
    const note = "the event reader is 101 entries behind";
    assert.deepEqual(await run(899, state("aaaa", 1000)), {
      status: "fail",
      value: 101,
      unit: "entries",
      note,
    });
  });

  it("does not compare what cannot be compared", async () => {
    assert.equal((await run(1000, state("aaaa", 990))).value, 0);
    assert.equal((await run(5, state("bbbb", 5000))).value, 0, "of another epoch");
    assert.equal((await run(5, Promise.reject(new Error("away")))).value, 0);
    assert.equal((await run(5, new Promise(() => undefined))).value, 0, "silent");
  });
});

describe("the pages' quality", () => {
  it("has its deadline also while it waits for a connection", async () => {
    const pool = { connect: () => new Promise(() => undefined) };
    const store = new PostgresReportStore(pool as never, "r", { keepDays: 7, maxRows: 10 });
    await assert.rejects(store.quality(50), /did not answer within 50 ms/);
  });
});

describe("checks that are repeated", () => {
  it("take one failure in a row for a warning, whether it was said or thrown, and the second for what it is", async () => {
    for (const isThrown of [false, true]) {
      let isFailing = false;
      const seen = new Set<string>();
      const note = (): void => {
        const found = checks.results["x:y"]?.[0]?.status ?? "pass";
        if (found !== "pass") seen.add(found);
      };
      const check: Check = {
        name: "x",
        measurement: "y",
        componentType: "component",
        run: () => {
          // Each run begins with what is known of the one before: nobody has to look in time.
          note();
          if (isFailing && isThrown) return Promise.reject(new Error("bad"));
          return Promise.resolve(isFailing ? { status: "fail", value: 7, unit: "entries" } : {});
        },
      };
      const options = { deadlineMs: 1000, intervalMs: 200, optional: [] };
      const checks = new Checks([check], options, pino({ level: "silent" }));
      checks.start();
      await eventually("passed", () => checks.status === "pass");
      isFailing = true;
      await eventually("failed", () => seen.has("fail"));
      assert.deepEqual([...seen], ["warn", "fail"]);
      isFailing = false;
      await eventually("passed again", () => checks.status === "pass");
      checks.stop();
      const before = checks.results["x:y"]?.[0];
      assert.equal(before?.observedUnit, "ms");
    }
  });
});
