/** The semaphore. */
import { strict as assert } from "node:assert";
import { setTimeout as sleep } from "node:timers/promises";
import { Semaphore } from "../../src/platform/semaphore.ts";

describe("Semaphore", () => {
  it("lets a number through at once, and the others in their order as places come free", async () => {
    const semaphore = new Semaphore(2, 10);
    assert.deepEqual([semaphore.acquire(20_000), semaphore.acquire(20_000)], [true, true]);
    const order: string[] = [];
    const waiting = ["first", "second"].map(async (name) => {
      assert.equal(await semaphore.acquire(20_000), true);
      order.push(name);
    });
    await sleep(20);
    assert.deepEqual(order, []);
    semaphore.release();
    await waiting[0];
    assert.deepEqual(order, ["first"]);
    semaphore.release();
    await waiting[1];
    assert.deepEqual(order, ["first", "second"]);
  });

  it("rejects a caller that waited too long, and gives the place to the next", async () => {
    const semaphore = new Semaphore(1, 10);
    assert.equal(semaphore.acquire(0), true);
    const short = semaphore.acquire(20);
    const long = semaphore.acquire(20_000);
    assert.equal(await short, false);
    semaphore.release();
    assert.equal(await long, true);
    semaphore.release();
    assert.equal(semaphore.acquire(0), true, "nobody is inside any more");
  });

  it("rejects at once when too many wait", () => {
    const semaphore = new Semaphore(1, 1);
    assert.equal(semaphore.acquire(0), true);
    const waiting = semaphore.acquire(1);
    assert.equal(semaphore.acquire(1000), false);
    return waiting;
  });
});
