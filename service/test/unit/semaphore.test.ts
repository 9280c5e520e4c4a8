/** The semaphore. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { Gate } from "../../src/platform/semaphore.ts";

describe("a gate", () => {
  it("lets a number through at once, and the others in their order as places come free", async () => {
    const gate = new Gate(2, 10);
    assert.deepEqual([gate.enter(1000), gate.enter(1000)], [true, true]);
    const order: string[] = [];
    const waiting = ["first", "second"].map(async (name) => {
      assert.equal(await gate.enter(1000), true);
      order.push(name);
    });
    await sleep(20);
    assert.deepEqual(order, []);
    gate.leave();
    await waiting[0];
    assert.deepEqual(order, ["first"]);
    gate.leave();
    await waiting[1];
    assert.deepEqual(order, ["first", "second"]);
  });

  it("rejects a caller that waited too long, and gives the place to the next", async () => {
    const gate = new Gate(1, 10);
    assert.equal(gate.enter(0), true);
    const short = gate.enter(20);
    const long = gate.enter(2000);
    assert.equal(await short, false);
    gate.leave();
    assert.equal(await long, true);
    gate.leave();
    assert.equal(gate.enter(0), true, "nobody is inside any more");
  });

  it("rejects at once when too many wait", () => {
    const gate = new Gate(1, 1);
    assert.equal(gate.enter(0), true);
    const waiting = gate.enter(1);
    assert.equal(gate.enter(1000), false);
    return waiting;
  });
});
