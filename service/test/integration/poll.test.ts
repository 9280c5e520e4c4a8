/** The poll, and the limits that it shares with streams. */
import { strict as assert } from "node:assert";
import { channel } from "node:diagnostics_channel";
import { setTimeout as sleep } from "node:timers/promises";
import type { PollAnswer } from "../../src/events/http/poll-answer.ts";
import { eventually, post, startInstance, whileItHolds, type Instance } from "../support/instance.ts";
import { loggedIds, testServers, type Servers } from "../support/servers.ts";
import { SseClient } from "../support/sse.ts";

describe("GET /api/events/poll", function () {
  this.timeout(120_000);
  let servers: Servers;
  let one: Instance;
  /** Keeps nothing in memory: every page of it comes from the log. */
  let two: Instance;
  const ask = async (instance: Instance, query: Record<string, string> = {}): Promise<PollAnswer> => {
    const response = await fetch(`${instance.url}/api/events/poll?${new URLSearchParams(query).toString()}`);
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("cache-control"), "no-store");
    return (await response.json()) as PollAnswer;
  };

  before(async function () {
    this.timeout(120_000);
    servers = await testServers();
    await servers.admin.configSet("appendfsync", "always");
    [one, two] = await Promise.all([startInstance(), startInstance({ OMNIAI_REPLAY_CACHE_EVENTS: "0" })]);
    await post(one, { type: "first", data: 0 });
  });
  after(async () => {
    await servers.admin.configSet("appendfsync", "everysec");
    await Promise.all([one?.stop(), two?.stop()]);
  });

  it("begins at the present, and then returns what a stream sends, in pages, from memory and from the log", async () => {
    const start = await ask(one);
    assert.deepEqual(start.events, []);
    const stream = new SseClient(`${one.url}/api/events`, { "last-event-id": start.next });
    const posted: string[] = [];
    for (let i = 0; i < 250; i++) posted.push((await post(one, { type: "n", data: { i, text: "a\nü" } })).id);
    await stream.until("all", ({ published }) => published.length === posted.length);
    stream.close();
    // What one has fanned out, the other may get a moment later.
    const newest = { after: posted.at(-2) ?? "" };
    await eventually("the other has all", async () => (await ask(two, newest)).events.length === 1);
    for (const at of [one, two]) {
      for (const limit of [7, 100, 500]) {
        const got: PollAnswer["events"][number][] = [];
        let after = start.next;
        for (let more = true; more;) {
          const page = await ask(at, { after, limit: String(limit) });
          assert.ok(page.events.length <= limit);
          assert.equal(page.reset, undefined);
          got.push(...page.events);
          ({ next: after, more } = page);
        }
        assert.deepEqual(
          got.map(({ id, type, data }) => ({ id, event: type, data: JSON.stringify(data) })),
          stream.published,
        );
        assert.equal(after, posted.at(-1));
      }
    }
  });

  it("bounds a page by bytes too", async () => {
    const { next: after } = await ask(one);
    for (let i = 0; i < 12; i++) await post(one, { type: "big", data: "x".repeat(30_000) });
    for (const at of [one, two]) {
      // The last of them too: this replica may be some events behind the one that took them.
      await eventually("all fanned out", async () => {
        const first = await ask(at, { after });
        const rest = await ask(at, { after: first.next });
        return first.events.length + rest.events.length === 12;
      });
      const page = await ask(at, { after });
      assert.ok(page.more && page.events.length > 0 && page.events.length < 12);
      const rest = await ask(at, { after: page.next });
      assert.deepEqual([page.events.length + rest.events.length, rest.more], [12, false]);
    }
  });

  it("filters by topic and moves the cursor past the others", async () => {
    const { next: after } = await ask(two);
    await post(one, { topic: "public.chat", type: "x", data: 1 });
    const { id } = await post(one, { topic: "public.news.today", type: "x", data: 2 });
    const { id: last } = await post(one, { topic: "public.chat", type: "x", data: 3 });
    for (const at of [one, two]) {
      await eventually(
        "there",
        async () => (await ask(at, { after, topics: "public.news.*" })).next === last,
      );
      const page = await ask(at, { after, topics: "public.news.*" });
      assert.deepEqual(
        page.events.map((event) => event.id),
        [id],
      );
      assert.equal(page.more, false);
    }
  });

  it("waits for the first event, on both replicas, and no longer than asked", async () => {
    const { next: after } = await ask(one);
    const waiting = [one, two].map((at) => ask(at, { after, wait: "10", topics: "public.wanted" }));
    await sleep(200);
    await post(one, { topic: "public.other", type: "x", data: 1 });
    await sleep(200);
    const { id } = await post(two, { topic: "public.wanted", type: "x", data: 2 });
    for (const page of await Promise.all(waiting)) assert.equal(page.events[0]?.id, id);
    const started = performance.now();
    const page = await ask(one, { after: id, wait: "1" });
    const ms = performance.now() - started;
    assert.ok(ms > 950 && ms < 10_000, `${ms} ms`);
    assert.deepEqual([page.events.length, page.next, page.retryMs], [0, id, 0]);
  });

  it("answers a cursor that it cannot serve with the reset that a stream gives, and not twice", async () => {
    const [last = ""] = (await loggedIds(servers)).slice(-1);
    const ahead = last.replace(/-(\d+)-/, (_all, ms) => `-${Number(ms) + 1_000_000}-`);
    for (const [after, reason] of [
      ["nonsense", "malformed"],
      ["x".repeat(3000), "malformed"],
      ["aaaaaaaaaa-1-1", "epoch"],
      [ahead, "unknown"],
    ] as const) {
      for (const at of [one, two]) {
        const page = await ask(at, { after, wait: "5" });
        assert.equal(page.reset?.reason, reason);
        assert.deepEqual([page.events, page.next, page.reset?.latest], [[], last, last]);
        assert.equal((await ask(at, { after: page.next })).reset, undefined);
      }
    }
    const ids = await loggedIds(servers);
    await servers.admin.xTrim("omniai:events:log", "MAXLEN", 10);
    const trimmed = await ask(two, { after: ids.at(-100) ?? "" });
    assert.deepEqual([trimmed.reset?.reason, trimmed.events, trimmed.next], ["trimmed", [], ids.at(-1)]);
    assert.equal(trimmed.reset?.earliest, ids.at(-10));
    const kept = await ask(two, { after: ids.at(-10) ?? "" });
    assert.deepEqual([kept.reset, kept.events.length], [undefined, 9]);
  });

  it("tells who waits that the log began anew", async () => {
    const { next: after } = await ask(one);
    const waiting = [one, two].map((at) => ask(at, { after, wait: "10" }));
    await sleep(100);
    await servers.admin.flushAll();
    for (const page of await Promise.all(waiting)) {
      assert.equal(page.reset?.reason, "epoch");
      assert.notEqual(page.next.split("-")[0], after.split("-")[0]);
    }
  });

  it("refuses what is not a page", async () => {
    for (const query of [
      "limit=0",
      "limit=501",
      "limit=x",
      "wait=26",
      "wait=-1",
      "wait=1&wait=2",
      "topics=no%20",
    ]) {
      const response = await fetch(`${one.url}/api/events/poll?${query}`);
      assert.equal(response.status, 400, query);
      assert.match(response.headers.get("content-type") ?? "", /^application\/problem\+json/);
      await response.arrayBuffer();
    }
    assert.equal((await fetch(`${one.url}/api/events/poll`, { method: "POST" })).status, 405);
  });

  it("lets no more polls wait than there may be streams, and answers the others at once", async () => {
    const small = await startInstance({ OMNIAI_MAX_STREAMS: "1" });
    const { next: after } = await ask(small);
    const first = ask(small, { after, wait: "25" });
    await sleep(100);
    const started = performance.now();
    const page = await ask(small, { after, wait: "20" });
    assert.ok(performance.now() - started < 10_000);
    assert.ok(page.retryMs >= 1000);
    await post(one, { type: "end", data: 1 });
    const { next, events } = await first;
    assert.equal(events.length, 1, "it has waited");
    const again = performance.now();
    await ask(small, { after: next, wait: "1" });
    assert.ok(performance.now() - again > 900, "room again");
    await small.stop();
  });

  it("answers only as many at once as fit into the budget, and the others without events until there is room", async () => {
    const { next: after } = await ask(one);
    let arrived = 0;
    const note = (): unknown => arrived++;
    const requests = channel("http.server.request.start");
    requests.subscribe(note);
    const polls = Array.from({ length: 120 }, () => ask(one, { after, wait: "20" }));
    await eventually("all have arrived", () => arrived >= polls.length).finally(() =>
      requests.unsubscribe(note),
    );
    // Each is a few turns of the event loop away from its wait.
    await sleep(500);
    const { id } = await post(one, { type: "long", data: "x".repeat(32_000) });
    const pages = await Promise.all(polls);
    const full = pages.filter(({ events }) => events.length === 1);
    // Half of 8 MiB is for one address, and an answer counts three times.
    assert.ok(full.length >= 20 && full.length < polls.length, `${full.length} of ${polls.length}`);
    for (const page of pages.filter(({ events }) => events.length === 0)) {
      assert.deepEqual([page.next, page.more], [after, true]);
      assert.ok(page.retryMs >= 500);
    }
    assert.deepEqual((await ask(one, { after })).events.at(-1)?.id, id);
  });

  it("reads the log for only so many at once, also for those that do not wait", async () => {
    const { next: after } = await ask(two);
    const { id } = await post(one, { type: "new", data: 1 });
    await eventually("fanned out", async () => (await ask(two, { after })).next === id);
    await servers.redis.pause();
    const polls = Array.from({ length: 300 }, () => ask(two, { after }).catch(() => undefined));
    // Half of 8 MiB is for one address, and each counts 16 KiB.
    const atOnce = await Promise.any(
      polls.map(async (poll) => {
        const page = await poll;
        if (!page?.more) throw new Error("it has read");
        return page;
      }),
    ).finally(() => servers.redis.unpause());
    assert.deepEqual([atOnce.events, atOnce.next], [[], after]);
    assert.ok(atOnce.retryMs >= 500);
    await Promise.all(polls);
    await eventually("there is room again", async () => (await ask(two, { after })).events.length === 1);
  });

  it("ends the waiting when the replica drains", async () => {
    // Long enough for a poll while it drains, on a busy machine as well.
    const leaving = await startInstance({ OMNIAI_SWITCH_SECONDS: "5" });
    const { next: after } = await ask(leaving);
    const waiting = ask(leaving, { after, wait: "20" });
    await sleep(200);
    const started = performance.now();
    const stopped = leaving.stop();
    const page = await waiting;
    assert.ok(performance.now() - started < 10_000);
    assert.deepEqual([page.events, page.next], [[], after]);
    assert.ok(page.retryMs >= 500);
    const meanwhile = await ask(leaving, { after, wait: "20" });
    assert.equal(meanwhile.next, after);
    await stopped;
  });
});

describe("limits of streams", function () {
  this.timeout(120_000);
  const reasons = ({ parser }: SseClient): string[] =>
    parser.events.map(
      ({ event, data }) => `${event} ${(JSON.parse(data) as { reason?: string }).reason ?? ""}`,
    );

  it("rejects, with 200 and a reconnection time, a client that has too many streams or comes too fast", async () => {
    // The next token comes after ten seconds.
    await whileItHolds(10_000, async () => {
      const instance = await startInstance({
        OMNIAI_MAX_STREAMS_PER_ADDRESS: "2",
        OMNIAI_TRUST_PROXY_HOPS: "1",
        OMNIAI_STREAM_CONNECT_BURST: "6",
        OMNIAI_STREAM_CONNECT_RATE: "0.1",
      });
      try {
        const connect = (address: string): SseClient =>
          new SseClient(`${instance.url}/api/events`, { "x-forwarded-for": address });
        const rejected = async (client: SseClient): Promise<void> => {
          await client.until("an end", ({ endedAt, parser }) => endedAt > 0 || parser.lastEventId !== "");
          assert.ok(client.endedAt > 0, "it is rejected");
          assert.equal(await client.ended, "end");
          assert.equal(client.response?.statusCode, 200);
          assert.deepEqual(reasons(client), ["bye busy"]);
          assert.ok((client.parser.retry ?? 0) >= 5000);
        };
        const mine = [
          await connect("2001:db8:0:100::1").joined(),
          await connect("2001:db8:0:1ff::2").joined(),
        ];
        await rejected(connect("2001:db8:0:177::3"));
        const other = await connect("2001:db8:0:200::1").joined();
        mine[0]?.close();
        await eventually("given back", () => instance.streams.size === 2);
        const again = await connect("2001:db8:0:100::4").joined();
        again.close();
        await eventually("given back again", () => instance.streams.size === 2);
        // Half of the tokens are for one address.
        await rejected(connect("2001:db8:0:100::5"));
        const refused = (address: string): Promise<Response> =>
          fetch(`${instance.url}/api/events?topics=!`, { headers: { "x-forwarded-for": address } });
        // A request that is refused uses up what its own address has, and nothing of the others.
        for (let i = 0; i < 10; i++) {
          const { status } = await refused("192.0.2.9");
          assert.equal(status, i < 3 ? 400 : 200, "rejected within a stream when it comes too often");
        }
        const newcomers = [await connect("192.0.2.1").joined(), await connect("192.0.2.2").joined()];
        // The sixth token is spent.
        await rejected(connect("192.0.2.3"));
        for (const client of [...mine, other, ...newcomers]) client.close();
        await eventually("all gone", () => instance.streams.size === 0);
      } finally {
        await instance.stop();
      }
    });
  });
});
