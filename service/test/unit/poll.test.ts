/** What a poll leaves behind. */
import { strict as assert } from "node:assert";
import { getEventListeners } from "node:events";
import { Hub } from "../../src/events/stream/hub.ts";
import type { EventLog, LogEntry } from "../../src/events/log/log.ts";
import { poll } from "../../src/events/stream/poll.ts";
import { RecentEvents } from "../../src/events/stream/recent.ts";
import { parseFilter } from "../../src/events/stream/topics.ts";

describe("a poll", () => {
  const entry: LogEntry = { epoch: "aaaa", id: "1-0", number: 1, topic: "public.x", type: "t", data: "1" };
  const noLog = {} as EventLog;
  const filter = parseFilter([]);
  assert.ok(filter);

  /** A hub that remembers what waits for it. */
  function watchedHub(): { hub: Hub; signals: AbortSignal[] } {
    const hub = new Hub(new RecentEvents(100, 100_000));
    hub.start({ epoch: "aaaa", first: "1-0", last: "1-0", count: 1, length: 1, bytes: 65 }, [entry]);
    const signals: AbortSignal[] = [];
    const moved = hub.moved.bind(hub);
    hub.moved = (signal) => {
      if (signal) signals.push(signal);
      return moved(signal);
    };
    return { hub, signals };
  }

  it("that is answered at once leaves nothing behind that waits for the log to move", async () => {
    const { hub, signals } = watchedHub();
    const asked = new AbortController();
    const page = await poll({ after: "aaaa-0-0", filter, limit: 10 }, hub, noLog, asked.signal);
    assert.deepEqual(
      page?.events.map(({ id }) => id),
      ["aaaa-1-0"],
    );
    assert.ok(signals.length > 0);
    for (const signal of signals) {
      assert.equal(signal.aborted, true);
      assert.equal(getEventListeners(signal, "abort").length, 0);
    }
    assert.equal(getEventListeners(asked.signal, "abort").length, 0);
  });

  it("that waits ends when it is told to", async () => {
    const { hub, signals } = watchedHub();
    const asked = new AbortController();
    setTimeout(() => asked.abort(), 50);
    const page = await poll({ after: "aaaa-1-0", filter, limit: 10 }, hub, noLog, asked.signal);
    assert.deepEqual([page?.events.length, page?.next], [0, "aaaa-1-0"]);
    assert.ok(signals.length > 0);
    for (const signal of signals) assert.equal(getEventListeners(signal, "abort").length, 0);
  });
});
