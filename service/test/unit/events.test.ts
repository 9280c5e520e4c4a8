/** Recent events, topics, and what is an event. */
import { strict as assert } from "node:assert";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { Frame } from "../../src/events/stream/delivery.ts";
import { RecentEvents } from "../../src/events/stream/recent.ts";
import { isWithinDepth, parseEvent, RESERVED_TYPES } from "../../src/events/http/schema.ts";
import { isAllowedTopic, parseFilter } from "../../src/events/stream/topics.ts";
import { parseExactly } from "../../src/platform/json.ts";
import { Problem } from "../../src/platform/problems.ts";

/** A block of so many bytes, as a chunk. */
function frameOf(length: number): Frame {
  const head = `${length.toString(16)}\r\n`;
  const bytes = Buffer.from(`${head}${"x".repeat(length)}\r\n`);
  return new Frame(bytes, 0, bytes.length, head.length);
}

describe("RecentEvents", () => {
  it("gives all events after an id, or says that it cannot", () => {
    fc.assert(
      fc.property(fc.nat(300), fc.integer({ min: 0, max: 40 }), fc.nat(320), (total, kept, from) => {
        const recent = new RecentEvents(kept, 1_000_000);
        recent.restart("0-0");
        for (let i = 1; i <= total; i++) recent.add({ id: `${i}-0`, topic: "public.x", frame: frameOf(1) });
        const found = recent.after(`${from}-0`, 1_000_000)?.map(({ id }) => id);
        const floor = Math.max(0, total - kept);
        if (from < floor) assert.equal(found, undefined);
        else
          assert.deepEqual(
            found,
            Array.from({ length: Math.max(0, total - from) }, (_, i) => `${from + i + 1}-0`),
          );
      }),
    );
  });

  it("keeps no more bytes than allowed, and gives portions", () => {
    const recent = new RecentEvents(1000, 100);
    recent.restart("0-0");
    for (let i = 1; i <= 50; i++) recent.add({ id: `${i}-0`, topic: "public.x", frame: frameOf(10) });
    assert.equal(recent.after("39-0", 1000), undefined);
    assert.equal(recent.after("40-0", 1000)?.length, 10);
    assert.equal(recent.after("40-0", 25)?.length, 3);
  });

  it("holds nothing of the events that it no longer gives", async () => {
    const recent = new RecentEvents(10, 1_000_000);
    recent.restart("0-0");
    const frames: WeakRef<Frame>[] = [];
    for (let i = 1; i <= 1000; i++) {
      const frame = frameOf(10);
      frames.push(new WeakRef(frame));
      recent.add({ id: `${i}-0`, topic: "public.x", frame });
    }
    // What a WeakRef was made of lives until the end of the turn.
    await new Promise(setImmediate);
    collectGarbage();
    const held = frames.filter((frame) => frame.deref() !== undefined).length;
    assert.equal(held, 10);
    assert.equal(recent.after("990-0", 1000)?.length, 10);
  });
});

function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
}

describe("topics", () => {
  it("matches names and prefixes at word ends", () => {
    const filter = parseFilter(["public.a.*", "public.b"]);
    assert.ok(filter?.matches("public.a.x") && filter.matches("public.a.x.y") && filter.matches("public.b"));
    assert.ok(
      !filter?.matches("public.a") && !filter?.matches("public.ab.x") && !filter?.matches("public.b.c"),
    );
    assert.equal(
      parseFilter(["public.b", "public.a"])?.key,
      parseFilter(["public.a", "public.b", "public.a"])?.key,
    );
    for (const bad of ["*", "public.*.x", "public..x", ".", "public.x\n", "a b"])
      assert.equal(parseFilter([bad]), undefined, bad);
  });

  it("keeps one user's topics from others", () => {
    assert.ok(isAllowedTopic({}, "public.x"));
    assert.ok(!isAllowedTopic({}, "user.7.x") && !isAllowedTopic({ userId: "7" }, "user.71.x"));
    assert.ok(isAllowedTopic({ userId: "7" }, "user.7.*") && !isAllowedTopic({ userId: "7" }, "user.*"));
  });
});

describe("parseEvent", () => {
  const refused = (body: unknown, status = 400): void => {
    assert.throws(
      () => parseEvent(body, 100),
      (error) => error instanceof Problem && error.status === status,
    );
  };

  it("takes any JSON as data", () => {
    for (const data of [null, 0, "", [], {}, { a: [1] }, false]) {
      assert.deepEqual(parseEvent({ type: "t", data }, 100), {
        topic: "public.default",
        type: "t",
        data: JSON.stringify(data),
      });
    }
  });

  it("refuses what is not an event", () => {
    for (const body of [
      undefined,
      null,
      1,
      "x",
      [],
      {},
      { type: "t" },
      { data: 1 },
      { type: "a\nb", data: 1 },
    ])
      refused(body);
    refused({ type: "t", data: 1, more: 1 });
    refused({ type: "t", data: 1, topic: "no spaces" });
    for (const type of RESERVED_TYPES) refused({ type, data: 1 });
    refused({ type: "t", data: "x".repeat(101) }, 413);
  });

  it("bounds the depth without recursion", () => {
    let deep: unknown = 1;
    for (let i = 0; i < 100_000; i++) deep = [deep];
    assert.equal(isWithinDepth(deep, 32), false);
    assert.equal(isWithinDepth({ a: [{ b: 1 }] }, 3), true);
    assert.equal(isWithinDepth({ a: [{ b: 1 }] }, 2), false);
    assert.equal(isWithinDepth(parseExactly("[[1e400]]"), 2), true, "a number is no level");
  });
});
