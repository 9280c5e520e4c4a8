/** That a machine which stands still is noticed, and what is put down to it. */
import { strict as assert } from "node:assert";
import { setTimeout as sleep } from "node:timers/promises";
import { isOfStall, watchStalls } from "../stalls.ts";

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
      stalls.some((stall) => stall.from <= from + 100 && stall.to >= to - 100),
      JSON.stringify({ from, to, stalls }),
    );
  });

  it("says so when it was ended by something else", async () => {
    const watch = await watchStalls();
    process.kill(watch.pid, "SIGKILL");
    await assert.rejects(watch.stop(), /has ended/);
  });

  it("explains what could not be stored in that time and nothing else", () => {
    const stalls = [{ from: 10_000, to: 12_000 }];
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
});
