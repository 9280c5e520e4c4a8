/** Proves that suites run two at a time without mixing what they say. */
import { strict as assert } from "node:assert";
import { Turns, twoAtATime } from "./two-at-a-time.ts";

describe("two suites at a time", () => {
  it("never runs a third, and starts the next one as soon as one is over", async () => {
    const ends = new Map<string, () => void>();
    const started: string[] = [];
    const all = twoAtATime(["a", "b", "c", "d"], (name) => {
      started.push(name);
      return new Promise<void>((resolve) => ends.set(name, resolve));
    });
    const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    await tick();
    assert.deepEqual(started, ["a", "b"]);
    ends.get("b")?.();
    await tick();
    assert.deepEqual(started, ["a", "b", "c"]);
    for (const name of ["c", "a"]) ends.get(name)?.();
    await tick();
    assert.deepEqual(started, ["a", "b", "c", "d"]);
    ends.get("d")?.();
    await all;
  });

  it("fails when the work fails", async () => {
    const failing = twoAtATime([1, 2, 3], (n) =>
      n === 2 ? Promise.reject(new Error("two")) : Promise.resolve(),
    );
    await assert.rejects(failing, /two/);
  });

  it("writes what each says as a whole, the first one's at once", () => {
    let written = "";
    const turns = new Turns((text) => (written += text));
    const [a, b, c] = [turns.begin(), turns.begin(), turns.begin()];
    b.write("b1 ");
    a.write("a1 ");
    c.write("c1 ");
    assert.equal(written, "a1 ");
    c.end();
    b.write("b2 ");
    a.end();
    assert.equal(written, "a1 b1 b2 ");
    b.write("b3 ");
    assert.equal(written, "a1 b1 b2 b3 ");
    b.end();
    assert.equal(written, "a1 b1 b2 b3 c1 ");
  });
});
