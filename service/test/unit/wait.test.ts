/** What the tests' waiting forgives a busy machine, and what it does not. */
import { strict as assert } from "node:assert";
import { setTimeout as sleep } from "node:timers/promises";
import { waiting } from "../support/auth.ts";
import { measured, PATIENCE_MS, promised, WaitError, whileItHolds } from "../support/wait.ts";

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

/** An attempt that fails with these, one after the other, and then succeeds. */
const failing = (...errors: readonly Error[]): { readonly made: number; attempt: () => Promise<string> } => {
  let made = 0;
  return {
    get made() {
      return made;
    },
    attempt() {
      const error = errors[made++];
      return error === undefined ? Promise.resolve("done") : Promise.reject(error);
    },
  };
};

describe("what only holds for a time", () => {
  /** A time that is over when anything fails, and one that is not. */
  const [OVER, ENOUGH] = [0, PATIENCE_MS];
  it("is tried again where it failed too late", async () => {
    const tried = failing(new Error("one"), new Error("two"));
    assert.equal(await whileItHolds(OVER, () => tried.attempt()), "done");
    assert.equal(tried.made, 3);
  });

  it("has failed where it failed in time", async () => {
    const error = new Error("one");
    const tried = failing(error);
    await assert.rejects(
      whileItHolds(ENOUGH, () => tried.attempt()),
      (thrown) => thrown === error,
    );
    assert.equal(tried.made, 1);
  });

  it("has failed where it waited in vain for as long as a busy machine may take", async () => {
    const error = new WaitError("given back", PATIENCE_MS);
    const tried = failing(error);
    await assert.rejects(
      whileItHolds(OVER, () => tried.attempt()),
      (thrown) => thrown === error,
    );
    assert.equal(tried.made, 1);
  });

  it("is tried again where it waited for no longer than it holds", async () => {
    const tried = failing(new WaitError("a request that waits", 1000));
    assert.equal(await whileItHolds(OVER, () => tried.attempt()), "done");
  });

  it("is given up with the reason of every attempt", async () => {
    const errors = ["one", "two", "three", "four", "five", "six"].map((reason) => new Error(reason));
    const tried = failing(...errors);
    await assert.rejects(
      whileItHolds(OVER, () => tried.attempt()),
      (thrown: Error) => {
        assert.match(thrown.message, /5 attempts.*one.*two.*three.*four.*five/s);
        assert.equal(thrown.cause, errors[4]);
        return true;
      },
    );
  });

  it("is given up before Mocha does, however few the attempts were", async () => {
    let now = 0;
    Object.defineProperty(performance, "now", { configurable: true, value: () => now });
    try {
      const attempt = (): Promise<never> => {
        now += 25_000;
        return Promise.reject(new Error("slow"));
      };
      await assert.rejects(whileItHolds(1000, attempt), /3 attempts.*slow/s);
    } finally {
      // The clock itself is that of the prototype.
      Reflect.deleteProperty(performance, "now");
    }
  });
});

describe("what is promised within a time", () => {
  const taking = (...times: number[][]) => ({
    left: times,
    attempt: () => Promise.resolve(times.shift() ?? []),
  });

  it("is kept where one attempt keeps all of it", async () => {
    const tried = taking([10, 5000], [10, 20], [1, 1]);
    await promised(1000, tried.attempt);
    assert.deepEqual(tried.left, [[1, 1]]);
  });

  it("is broken where no attempt keeps it, with what each took", async () => {
    const tried = taking(...Array.from({ length: 6 }, (_, n) => [10, 1000 + n]));
    await assert.rejects(promised(1000, tried.attempt), /within 1000 ms.*10, 1000\n.*10, 1004$/s);
    assert.equal(tried.left.length, 1);
  });

  it("is not tried again where something else is wrong", async () => {
    const tried = failing(new Error("one"));
    await assert.rejects(
      promised(1000, () => tried.attempt().then(() => [])),
      /^Error: one$/,
    );
    assert.equal(tried.made, 1);
  });
});

describe("who waits for a lock", () => {
  const holder = (counts: number[]) => ({
    query: () => Promise.resolve({ rows: [{ waiting: counts.shift() ?? 0 }] }),
  });
  const never = new Promise<{ status: number }>(() => undefined);

  it("is waited for until all of them do", async () => {
    const counts = [0, 1, 2, 9];
    await waiting(holder(counts) as never, [never, never]);
    assert.deepEqual(counts, [9]);
  });

  it("is not waited for any longer when one was answered", async () => {
    await assert.rejects(
      waiting(holder([]) as never, [never, Promise.resolve({ status: 409 })]),
      /answered.*409/,
    );
  });
});
