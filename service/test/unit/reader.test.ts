/** The log's reader and joining streams, on a log that misbehaves. */
import { strict as assert } from "node:assert";
import { Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { Backlog } from "../../src/events/stream/backlog.ts";
import { Hub } from "../../src/events/stream/hub.ts";
import { join } from "../../src/events/stream/join.ts";
import { compareIds } from "../../src/events/log/cursor.ts";
import type { EventLog, LogEntry, LogPage, LogState } from "../../src/events/log/log.ts";
import { LogReader } from "../../src/events/stream/reader.ts";
import { RecentEvents } from "../../src/events/stream/recent.ts";
import { EventStream } from "../../src/events/stream/stream.ts";
import { parseFilter } from "../../src/events/stream/topics.ts";
import { SpecParser } from "../support/sse.ts";
import { eventually } from "../support/wait.ts";

/** A log that can be made to lose what real ones lose only in accidents. */
class FakeLog implements EventLog {
  epoch = "aaaa";
  entries: LogEntry[] = [];
  last = "0-0";
  count = 0;
  isAway = false;
  /** Runs before a page is read, to get between a replay and the fan-out. */
  beforePage: (() => void) | undefined;

  add(): LogEntry {
    this.last = `${Number(this.last.split("-")[0]) + 1}-0`;
    const number = ++this.count;
    const entry = {
      epoch: this.epoch,
      id: this.last,
      number,
      topic: "public.x",
      type: "n",
      data: String(number),
    };
    this.entries.push(entry);
    return entry;
  }

  append(): Promise<LogEntry> {
    return Promise.resolve(this.add());
  }

  state(): Promise<LogState> {
    if (this.isAway) return Promise.reject(new Error("away"));
    const { epoch, last, count, entries } = this;
    return Promise.resolve({ epoch, first: entries[0]?.id, last, count, length: entries.length, bytes: 0 });
  }

  async page(after: string, limit: number): Promise<LogPage> {
    this.beforePage?.();
    const state = await this.state();
    return { state, entries: this.entries.filter(({ id }) => compareIds(id, after) > 0).slice(0, limit) };
  }

  async tail(limit: number): Promise<LogPage> {
    return { state: await this.state(), entries: this.entries.slice(-limit) };
  }

  async wait(after: string, limit: number): Promise<LogEntry[]> {
    await sleep(2);
    if (this.isAway) throw new Error("away");
    return this.entries.filter(({ id }) => compareIds(id, after) > 0).slice(0, limit);
  }

  open(): void {}
  close(): void {
    this.isAway = true;
  }
}

function newStream(): {
  stream: EventStream;
  parser: SpecParser;
  numbers: () => string[];
  resets: () => string[];
} {
  const parser = new SpecParser();
  const sink = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      parser.push(chunk.toString());
      done();
    },
  });
  const filter = parseFilter([]);
  assert.ok(filter);
  const stream = new EventStream(sink, false, filter, { stallMs: 1e6, maxAgeMs: 1e6 });
  const dataOf = (type: string): string[] =>
    parser.events.filter(({ event }) => event === type).map(({ data }) => data);
  return {
    stream,
    parser,
    numbers: () => dataOf("n"),
    resets: () => dataOf("reset").map((data) => (JSON.parse(data) as { reason: string }).reason),
  };
}

describe("LogReader and join, on a log that misbehaves", () => {
  let log: FakeLog;
  let hub: Hub;
  let reader: LogReader;
  /** The reader has told the hub of the newest entry that is still there. */
  const followed = (): Promise<void> => eventually("followed", () => hub.position?.id === log.last);

  beforeEach(async () => {
    log = new FakeLog();
    hub = new Hub(new RecentEvents(5, 1e6), new Backlog(1e6, []));
    const options = { blockMs: 5, coalesceMs: 0, preload: 5, preloadBytes: 1e6 };
    reader = new LogReader(log, hub, options, pino({ level: "silent" }));
    for (let i = 0; i < 20; i++) log.add();
    reader.start();
    await followed();
    await eventually("following", () => reader.status.state === "following");
  });
  afterEach(() => reader.stop());

  it("tells live streams when entries were trimmed before they were read", async () => {
    const { stream, numbers, resets } = newStream();
    await join(stream, undefined, hub, log);
    for (let i = 0; i < 10; i++) log.add();
    log.entries = log.entries.slice(-3);
    await followed();
    log.add();
    await followed();
    assert.deepEqual([resets(), numbers()], [["trimmed"], ["31"]]);
  });

  it("rests as long as a fan-out took, so that what came meanwhile shares the next one", async () => {
    const [fanOutMs, fanOuts] = [30, 10];
    /** How long nothing went out before each fan-out. */
    const idle: number[] = [];
    let ended = performance.now();
    const publish = hub.publish.bind(hub);
    hub.publish = (entries) => {
      idle.push(performance.now() - ended);
      publish(entries);
      for (const end = performance.now() + fanOutMs; performance.now() < end;);
      // There is always something that could go out at once.
      if (idle.length < fanOuts) log.add();
      ended = performance.now();
    };
    log.add();
    await eventually("all of them", () => idle.length === fanOuts);
    const rested = idle.slice(1).reduce((sum, ms) => sum + ms, 0);
    // The first came after a quiet time and owes no rest, and timers may be a millisecond early. A busy machine only adds to it.
    const owed = (fanOuts - 2) * (fanOutMs - 1);
    assert.ok(rested >= owed, `${rested} ms of ${owed}`);
  });

  it("does not rest after a fan-out that came after a quiet time: the next event goes out at once", async () => {
    let ended = 0;
    const waits: number[] = [];
    const publish = hub.publish.bind(hub);
    hub.publish = (entries) => {
      waits.push(performance.now() - ended);
      publish(entries);
      // The second of two comes while the first goes out.
      if (waits.length % 2 === 1) log.add();
      for (const end = performance.now() + 40; performance.now() < end;);
      ended = performance.now();
    };
    for (const pair of [1, 2, 3]) {
      await sleep(150);
      log.add();
      await eventually("both", () => waits.length === 2 * pair);
    }
    // The best of them: a busy machine adds to each, and a rest would be 40.
    const seconds = waits.filter((_, index) => index % 2 === 1);
    assert.ok(Math.min(...seconds) < 25, `waited ${seconds.join(", ")} ms`);
  });

  it("tells them when the log lost its newest entries", async () => {
    const { stream, parser, resets } = newStream();
    await join(stream, undefined, hub, log);
    log.entries = log.entries.slice(0, -4);
    log.last = "16-0";
    log.count = 16;
    await followed();
    assert.deepEqual([resets(), parser.lastEventId], [["rollback"], "aaaa-16-0"]);
  });

  it("goes on without a reset when the log was only away", async () => {
    const { stream, numbers, resets } = newStream();
    await join(stream, undefined, hub, log);
    log.isAway = true;
    await eventually("away", () => reader.status.state === "away");
    for (let i = 0; i < 3; i++) log.add();
    log.isAway = false;
    await followed();
    assert.deepEqual([resets(), numbers()], [[], ["21", "22", "23"]]);
  });

  it("joins without a duplicate when the pages got further than the fan-out", async () => {
    const { stream, numbers } = newStream();
    // The entry is in the page already while the hub has not been told of it.
    log.beforePage = () => {
      log.beforePage = undefined;
      log.add();
    };
    await join(stream, "aaaa-2-0", hub, log);
    log.add();
    await followed();
    assert.deepEqual(
      numbers(),
      Array.from({ length: 20 }, (_, i) => String(i + 3)),
    );
  });

  it("joins without a hole when the fan-out goes on during the replay", async () => {
    const { stream, numbers } = newStream();
    const original = log.page.bind(log);
    log.page = async (after, limit) => {
      const page = await original(after, Math.min(limit, 4));
      for (let i = 0; i < 2 && log.count < 60; i++) log.add();
      await followed();
      return page;
    };
    await join(stream, "aaaa-1-0", hub, log);
    log.add();
    await followed();
    assert.deepEqual(
      numbers(),
      Array.from({ length: log.count - 1 }, (_, i) => String(i + 2)),
    );
  });

  it("resets instead of replaying what was trimmed in the middle of a replay", async () => {
    const { stream, resets } = newStream();
    const original = log.page.bind(log);
    log.page = async (after, limit) => {
      const page = await original(after, Math.min(limit, 4));
      log.entries = log.entries.slice(-2);
      return page;
    };
    const outcome = await join(stream, "aaaa-1-0", hub, log);
    assert.deepEqual([outcome.kind, resets()], ["reset", ["trimmed"]]);
  });

  it("waits for a log that is away, and then replays", async () => {
    const { stream, numbers } = newStream();
    log.isAway = true;
    const joining = join(stream, "aaaa-10-0", hub, log);
    await sleep(40);
    assert.deepEqual(numbers(), []);
    log.isAway = false;
    assert.equal((await joining).kind, "resumed");
    assert.equal(numbers().length, 10);
  });
});
