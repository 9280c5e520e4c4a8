/** Streams that are rejected, and streams that end at a time. */
import { strict as assert } from "node:assert";
import { setTimeout as sleep } from "node:timers/promises";
import { Writable } from "node:stream";
import { noMetrics } from "../../src/events/stream/metrics.ts";
import { EventStream } from "../../src/events/stream/stream.ts";
import { Streams } from "../../src/events/stream/streams.ts";
import { parseFilter } from "../../src/events/stream/topics.ts";
import { RejectedStreams } from "../../src/events/stream/rejected-streams.ts";
import { eventually } from "../support/wait.ts";

/** A stream whose client takes what comes, or nothing at all. */
function newStream(isTaking: boolean, endsAt?: number): EventStream {
  const sink = new Writable({ write: (_chunk, _encoding, done) => void (isTaking && done()) });
  const filter = parseFilter([]);
  assert.ok(filter);
  return new EventStream(sink, false, filter, { stallMs: 1e6, maxAgeMs: 1e6, endsAt });
}
const closed = (stream: EventStream): Promise<void> => new Promise((resolve) => void stream.onClose(resolve));

describe("streams that are rejected", () => {
  it("do not linger: a client that does not read the farewell is cut", async () => {
    const rejectedStreams = new RejectedStreams(2, 100);
    const [taking, deaf] = [newStream(true), newStream(false)];
    const began = performance.now();
    rejectedStreams.add(taking, "busy", 1000);
    rejectedStreams.add(deaf, "busy", 1000);
    assert.equal(rejectedStreams.isFull, true);
    await closed(taking);
    assert.equal(rejectedStreams.isFull, false, "its place is free");
    await closed(deaf);
    const ms = performance.now() - began;
    assert.ok(ms > 80 && ms < 20_000, `${ms} ms`);
    assert.equal(rejectedStreams.size, 0);
  });
});

describe("streams that have to end at a time", () => {
  it("end then, however seldom they get a heartbeat", async () => {
    const streams = new Streams(60_000, () => undefined, noMetrics);
    try {
      const endsAt = Date.now() + 300;
      const [ending, staying] = [newStream(true, endsAt), newStream(true)];
      for (const stream of [ending, staying]) streams.add(stream);
      await closed(ending);
      const late = Date.now() - endsAt;
      assert.ok(late > -50 && late < 20_000, `${late} ms late`);
      assert.equal(ending.reason, "age");
      await sleep(600);
      assert.equal(staying.isOver, false);
    } finally {
      streams.close();
    }
    await eventually("closed", () => streams.size === 0);
  });
});
