/** What the tests' waiting forgives a busy machine, and what it does not. */
import { strict as assert } from "node:assert";
import { setTimeout as sleep } from "node:timers/promises";
import { measured } from "../support/wait.ts";

/** How long the thread of a test works or is stopped, in milliseconds. */
const LONG_MS = 500;

const workedMs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};

describe("what a busy machine took away", () => {
  const timed = async (work: () => void): Promise<{ tookMs: number; lateMs: number }> => {
    const began = performance.now();
    const { lateMs } = await measured(async () => {
      await sleep(1);
      work();
      await sleep(1);
    });
    return { tookMs: performance.now() - began, lateMs };
  };

  it("is none of the time in which the process kept its event loop busy", async () => {
    const { tookMs, lateMs } = await timed(() => {
      const enough = workedMs() + LONG_MS;
      while (workedMs() < enough);
    });
    assert.ok(tookMs - lateMs >= LONG_MS, `${tookMs} ms, ${lateMs} ms late`);
  });

  it("is what the process did not get", async () => {
    const { lateMs } = await timed(() => {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LONG_MS);
    });
    // It may have been waiting for its next timer.
    assert.ok(lateMs >= LONG_MS - 100, `${lateMs} ms late`);
  });
});
