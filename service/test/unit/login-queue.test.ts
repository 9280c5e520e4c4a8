/** The queue in which logins wait. */
import { strict as assert } from "node:assert";
import { LoginQueue } from "../../src/auth/credentials/login-queue.ts";
import { Problem } from "../../src/platform/problems.ts";
import { Semaphore } from "../../src/platform/semaphore.ts";
import { measured } from "../support/wait.ts";

/** Logins whose password is being checked until `finish`. */
function held(
  queue: LoginQueue,
  count: number,
  address: (n: number) => string,
  name = (n: number) => `user-${n}`,
  device = (_: number): string | undefined => undefined,
) {
  let finish = (): void => undefined;
  const finished = new Promise<void>((resolve) => (finish = resolve));
  let refused = 0;
  const all = Array.from({ length: count }, (_, n) =>
    queue
      .run({ address: address(n), name: name(n), device: device(n) }, () => finished)
      .catch((error: unknown) => {
        assert.ok(error instanceof Problem);
        assert.equal(error.status, 503);
        assert.match(error.headers["Retry-After"] ?? "", /^[1-4]$/);
        refused++;
      }),
  );
  return {
    finish: async () => {
      finish();
      await Promise.all(all);
      return refused;
    },
  };
}

describe("LoginQueue", () => {
  it("refuses whom it has no place for, leaves room beside one address, and goes on afterwards", async () => {
    const queue = new LoginQueue(new Semaphore(2, Infinity));
    const office = held(queue, 200, () => "203.0.113.1");
    const others = held(queue, 100, (n) => `198.51.100.${n}`);
    assert.deepEqual([await office.finish(), await others.finish()], [8, 36]);
    const again = held(queue, 150, () => "203.0.113.1");
    assert.equal(await again.finish(), 0);
  });

  it("lets two run at once, and those of one user one after the other", async () => {
    const queue = new LoginQueue(new Semaphore(2, Infinity));
    const running = new Map<string, number>();
    let most = 0;
    const check = (name: string): Promise<void> =>
      queue.run({ address: "203.0.113.1", name }, async () => {
        running.set(name, (running.get(name) ?? 0) + 1);
        most = Math.max(
          most,
          [...running.values()].reduce((sum, n) => sum + n),
        );
        assert.equal(running.get(name), 1);
        await new Promise((resolve) => setImmediate(resolve));
        running.set(name, 0);
        if (name === "ada") throw new Error("it failed");
      });
    const results = await Promise.allSettled(["ada", "ada", "bob", "ada", "eve", "bob"].map(check));
    assert.equal(most, 2);
    assert.equal(results.filter(({ status }) => status === "fulfilled").length, 3);
  });

  it("gives one name few places, wherever its logins come from, and the others keep theirs", async () => {
    const queue = new LoginQueue(new Semaphore(2, Infinity));
    const ada = (): string => "ada";
    const oneSource = held(queue, 20, () => "203.0.113.1", ada);
    const manySources = held(queue, 40, (n) => `198.51.100.${n}`, ada);
    const others = held(queue, 100, () => "203.0.113.1");
    const refused = await Promise.all([oneSource, manySources, others].map((each) => each.finish()));
    assert.deepEqual(refused, [12, 16, 0]);
    assert.equal(await held(queue, 8, () => "203.0.113.1", ada).finish(), 0, "there is room again");
  });

  it("lets a known device wait for nobody who knows its user's name", async () => {
    const queue = new LoginQueue(new Semaphore(2, Infinity));
    const strangers = held(
      queue,
      60,
      (n) => `198.51.100.${n}`,
      () => "ada",
    );
    const known = { address: "203.0.113.1", name: "ada", device: "hers" };
    assert.equal(await queue.run(known, () => Promise.resolve("in")), "in");
    assert.equal(await strangers.finish(), 28);
  });

  it("gives all devices of one name few places together, and the others keep theirs", async () => {
    const queue = new LoginQueue(new Semaphore(2, Infinity));
    const devices = held(
      queue,
      60,
      (n) => `198.51.100.${n}`,
      () => "ada",
      (n) => `device-${n}`,
    );
    const [strangers, others] = [
      held(
        queue,
        4,
        () => "203.0.113.1",
        () => "ada",
      ),
      held(queue, 100, () => "203.0.113.2"),
    ];
    const refused = await Promise.all([devices, strangers, others].map((each) => each.finish()));
    assert.deepEqual(refused, [28, 0, 0]);
  });

  it("lets nobody wait for longer than the edge does", async () => {
    const queue = new LoginQueue(new Semaphore(1, Infinity));
    const first = held(queue, 1, () => "203.0.113.1");
    const started = performance.now();
    const { lateMs } = await measured(() =>
      assert.rejects(
        queue.run({ address: "203.0.113.2", name: "somebody" }, () => Promise.resolve()),
        /Too many logins/,
      ),
    );
    const ms = performance.now() - started;
    assert.ok(ms > 3900 && ms < 5500 + lateMs, `${ms} ms, ${lateMs} ms late`);
    assert.equal(await first.finish(), 0);
  });
});
