/** A stream on its way to the fan-out, while its replica lags behind the log. */
import { strict as assert } from "node:assert";
import { Writable } from "node:stream";
import type { EventLog } from "../../src/events/log/log.ts";
import { Backlog } from "../../src/events/stream/backlog.ts";
import { Hub } from "../../src/events/stream/hub.ts";
import { join } from "../../src/events/stream/join.ts";
import { RecentEvents } from "../../src/events/stream/recent.ts";
import { EventStream } from "../../src/events/stream/stream.ts";
import { parseFilter } from "../../src/events/stream/topics.ts";
import { eventually } from "../support/wait.ts";

const stateOf = (epoch: string) => ({ epoch, first: undefined, last: "0-0", count: 0, length: 0, bytes: 0 });

describe("a stream whose log began again", () => {
  it("waits for its replica to notice, and leaves no one waiting at the hub", async () => {
    const hub = new Hub(new RecentEvents(10, 1000), new Backlog(1000, []));
    hub.start(stateOf("aaaa"), []);
    let waiting = 0;
    const moved = hub.moved.bind(hub);
    hub.moved = async (signal) => {
      waiting++;
      await moved(signal);
      waiting--;
    };
    let reads = 0;
    const page = () => {
      reads++;
      return Promise.resolve({ state: stateOf("bbbb"), entries: [] });
    };
    const sink = new Writable({ write: (_chunk, _encoding, done) => done() });
    const filter = parseFilter(["public.*"]);
    assert.ok(filter);
    const stream = new EventStream(sink, false, filter, { stallMs: 1e6, maxAgeMs: 1e6 });
    // An id of this epoch that is not in memory.
    const joined = join(stream, "aaaa-5-0", hub, { page } as unknown as EventLog);
    await eventually("four times", () => reads >= 4);
    assert.ok(waiting <= 1, `${waiting} wait`);
    stream.drop("client");
    assert.deepEqual(await joined, { kind: "gone" });
    assert.equal(waiting, 0);
  });
});
