/** How long one stream lasts. */
import { strict as assert } from "node:assert";
import { Writable } from "node:stream";
import { EventStream } from "../../src/events/stream/stream.ts";
import { parseFilter } from "../../src/events/stream/topics.ts";
import { SpecParser } from "../support/sse.ts";
import { eventually } from "../support/wait.ts";

const MAX_AGE_MS = 60_000;
/** Far beyond the age that a stream may have. */
const later = (): number => Date.now() + 2 * MAX_AGE_MS;

/** A stream to a client that takes what it was sent one piece at a time, when it is told to. */
function open(stallMs: number) {
  const parser = new SpecParser();
  let take = (): void => undefined;
  const sink = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      take = () => {
        take = () => undefined;
        parser.push(chunk.toString());
        done();
      };
    },
  });
  const filter = parseFilter(["public.*"]);
  assert.ok(filter);
  const stream = new EventStream(sink, false, filter, { stallMs, maxAgeMs: MAX_AGE_MS });
  return { stream, parser, take: () => take() };
}

describe("a stream", () => {
  it("whose client always has something to take ends with its age, too, and is told so behind that", async () => {
    const { stream, parser, take } = open(1_000_000);
    stream.send("data: 1\n\n");
    assert.equal(stream.isWaiting, true);
    assert.equal(stream.check(Date.now()), false, "no heartbeat behind what waits");
    assert.equal(stream.isOver, false);
    stream.send("data: 2\n\n");
    take();
    assert.equal(stream.check(later()), false);
    assert.deepEqual([stream.isOver, stream.reason], [true, "age"]);
    await eventually("taken", () => {
      take();
      return parser.events.some(({ event }) => event === "bye");
    });
    assert.deepEqual(
      parser.events.map(({ event }) => event),
      ["message", "message", "bye"],
    );
  });

  it("is cut when its client takes nothing of that", async () => {
    const { stream } = open(1_000_000);
    let isClosed = false;
    stream.onClose(() => (isClosed = true));
    stream.send("data: 1\n\n");
    stream.check(later());
    assert.equal(isClosed, false);
    stream.check(later());
    await eventually("closed", () => isClosed);
  });

  it("counts as stalled, whatever its age, when its client has taken nothing for too long", async () => {
    const { stream } = open(5);
    stream.send("data: 1\n\n");
    stream.check(Date.now());
    await new Promise((resolve) => setTimeout(resolve, 20));
    stream.check(later());
    assert.equal(stream.reason, "stalled");
  });
});
