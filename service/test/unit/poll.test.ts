/** What a poll leaves behind. */
import { strict as assert } from "node:assert";
import { getEventListeners } from "node:events";
import { Backlog } from "../../src/events/stream/backlog.ts";
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
    const hub = new Hub(new RecentEvents(100, 100_000), new Backlog(1e6, []));
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
      page?.deliveries.map(({ id }) => id),
      ["1-0"],
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
    assert.deepEqual([page?.deliveries.length, page?.next], [0, "aaaa-1-0"]);
    assert.ok(signals.length > 0);
    for (const signal of signals) assert.equal(getEventListeners(signal, "abort").length, 0);
  });

  describe("of a quiet topic, far back in the log", () => {
    const stretch = (number: number): LogEntry[] => [
      { ...entry, id: `${number}-0`, number, topic: "public.quiet", data: "1" },
      {
        ...entry,
        id: `${number}-1`,
        number: number + 1,
        topic: "public.loud",
        data: JSON.stringify("x".repeat(60_000)),
      },
    ];
    const quiet = parseFilter(["public.quiet"]);
    assert.ok(quiet);
    let reads = 0;
    const log = {
      page: (after: string) => {
        const next = Number(after.split("-")[0]) + 2;
        const state = { epoch: "aaaa", first: "1-0", last: "999-0", count: 999, length: 999, bytes: 1e7 };
        reads++;
        return Promise.resolve({ state, entries: stretch(next) });
      },
    } as unknown as EventLog;
    /** Nothing is in its memory but the newest event. */
    const hub = new Hub(new RecentEvents(0, 0), new Backlog(1e6, []));
    hub.start({ epoch: "aaaa", first: "1-0", last: "999-0", count: 999, length: 999, bytes: 1e7 }, []);
    const request = { after: "aaaa-1-0", filter: quiet, limit: 500 };
    beforeEach(() => (reads = 0));

    it("keeps the bytes of what it has found, and not of what it has read", async () => {
      const page = await poll(request, hub, log, AbortSignal.abort());
      assert.equal(page?.deliveries.length, 10);
      const kept = new Set(page.deliveries.map(({ frame }) => frame.bytes.buffer));
      const bytes = [...kept].reduce((sum, { byteLength }) => sum + byteLength, 0);
      assert.ok(bytes < 100_000, `${bytes} bytes for ten events of one`);
    });

    it("tells what it holds before each read, and ends where that is too much", async () => {
      const told: number[] = [];
      const mayHold = (bytes: number): boolean => told.push(bytes) < 6;
      const page = await poll({ ...request, mayHold }, hub, log, AbortSignal.abort());
      const size = page?.deliveries[0]?.frame.length ?? 0;
      assert.deepEqual(told, [0, size, size, 2 * size, 2 * size, 3 * size]);
      // Nothing is left out: it goes on before the event for which there was no room.
      assert.deepEqual([page?.deliveries.length, page?.next, page?.more, reads], [2, "aaaa-5-1", true, 3]);
    });
  });
});
