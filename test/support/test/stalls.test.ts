/** That a machine which stands still is noticed, and what is put down to it. */
import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { apart, isOfStall, watchStalls } from "../stalls.ts";

describe("what looks whether the machine stands still", () => {
  it("tells from when to when nothing was written", async () => {
    const watch = await watchStalls();
    await sleep(300);
    const from = Date.now();
    process.kill(watch.pid, "SIGSTOP");
    await sleep(1500);
    process.kill(watch.pid, "SIGCONT");
    const to = Date.now();
    await sleep(300);
    const stalls = await watch.stop();
    // This machine may stand still besides.
    assert.ok(
      stalls.some(
        ({ what, ...stall }) => what === "stood still" && stall.from <= from + 100 && stall.to >= to - 100,
      ),
      JSON.stringify({ from, to, stalls }),
    );
  });

  it("says so when it was ended by something else", async () => {
    const watch = await watchStalls();
    process.kill(watch.pid, "SIGKILL");
    await assert.rejects(watch.stop(), /has ended/);
  });

  it("explains what could not be stored in that time and nothing else", () => {
    const stalls = [{ from: 10_000, to: 12_000, what: "stood still" }] as const;
    const why = 'status 503 after 1800 ms: {"type":"urn:omniai:problem:event-log-unavailable"}';
    const refused = { status: 503, at: 11_000, ms: 1800, why };
    assert.ok(isOfStall(refused, stalls));
    assert.ok(isOfStall({ ...refused, at: 9000 }, stalls));
    assert.ok(isOfStall({ ...refused, why: "urn:omniai:problem:reports-unavailable" }, stalls));
    assert.ok(!isOfStall({ ...refused, at: 12_001 }, stalls), "it began afterwards");
    assert.ok(!isOfStall({ ...refused, at: 8000 }, stalls), "it was over before");
    assert.ok(!isOfStall({ ...refused, status: 0 }, stalls), "a connection that breaks");
    assert.ok(!isOfStall({ ...refused, why: "urn:omniai:problem:unavailable" }, stalls), "the edge's own");
    assert.ok(!isOfStall(refused, []));
  });

  it("explains a few requests of many, and no more", () => {
    const stalls = [{ from: 0, to: 10_000, what: "had no processor left" }] as const;
    const refused = { status: 503, at: 5000, ms: 1800, why: "urn:omniai:problem:event-log-unavailable" };
    const broken = { ...refused, status: 0, why: "ECONNRESET" };
    const found = apart([refused, broken], stalls, 100);
    assert.deepEqual([found.counted, found.ofStalls], [[broken], [refused]]);
    const many = Array.from({ length: 20 }, () => refused);
    assert.equal(apart(many, stalls, 1000).counted.length, 20);
    assert.equal(apart(many, stalls, 2000).counted.length, 0);
  });

  it("tells when who wants to run has to wait", async function () {
    if (!existsSync("/proc/pressure/cpu")) return this.skip();
    this.timeout(60_000);
    const watch = await watchStalls();
    const busy = Array.from({ length: 3 * availableParallelism() }, () =>
      spawn(process.execPath, ["-e", "for (const end = Date.now() + 20_000; Date.now() < end;);"]),
    );
    const from = Date.now();
    await sleep(5000);
    busy.forEach((one) => one.kill("SIGKILL"));
    const stalls = await watch.stop();
    assert.ok(
      stalls.some(({ what, to }) => what === "had no processor left" && to > from),
      JSON.stringify(stalls),
    );
  });
});
