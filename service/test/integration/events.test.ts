/** Events over HTTP, with real Redis and PostgreSQL. */
import { strict as assert } from "node:assert";
import { setTimeout as sleep } from "node:timers/promises";
import { EventSource } from "eventsource";
import { ask, slugOf, type Answer } from "../support/auth.ts";
import { eventually, post, startInstance, type Instance } from "../support/instance.ts";
import { loggedIds, testServers, type Servers } from "../support/servers.ts";
import { SseClient } from "../support/sse.ts";

describe("events through real servers", function () {
  this.timeout(120_000);
  let servers: Servers;
  let one: Instance;
  /** Keeps nothing in memory: every resume of it reads the log. */
  let two: Instance;
  const clients: SseClient[] = [];
  const connect = (instance: Instance, query = "", headers: Record<string, string> = {}): SseClient => {
    const client = new SseClient(`${instance.url}/api/events${query}`, headers);
    clients.push(client);
    return client;
  };

  before(async function () {
    this.timeout(120_000);
    servers = await testServers();
    [one, two] = await Promise.all([startInstance(), startInstance({ OMNIAI_REPLAY_CACHE_EVENTS: "0" })]);
  });
  afterEach(() => {
    for (const client of clients.splice(0)) client.close();
  });
  after(async () => {
    await Promise.all([one?.stop(), two?.stop()]);
  });

  it("carries an event posted to one replica to the clients of all", async () => {
    const [here, there] = await Promise.all([connect(one).joined(), connect(two).joined()]);
    const { status, id } = await post(one, { type: "greeting", data: { text: "a\nb\r\n\u2028ü" } });
    assert.equal(status, 201);
    for (const client of [here, there]) {
      await client.until("the event", ({ published }) => published.length > 0);
      assert.deepEqual(client.published, [
        { id, event: "greeting", data: JSON.stringify({ text: "a\nb\r\n\u2028ü" }) },
      ]);
    }
    assert.ok((await loggedIds(servers)).includes(id));
  });

  it("passes numbers of any size on as they were sent, by stream, by poll and from the log", async () => {
    const [here, there] = await Promise.all([connect(one).joined(), connect(two).joined()]);
    const data = '{"a":[1e400,12345678901234567890,-0.1234567890123456789,1.5],"b":{"1e5":9007199254740993}}';
    const before = (await ask(two, "GET", "/api/events/poll")).body.next as string;
    const raw = (text: string, headers: Record<string, string> = {}): Promise<Answer> =>
      ask(one, "POST", "/api/events", { body: `{"type":"number","data":${text}}`, headers });
    assert.equal((await raw(data)).status, 201);
    for (const client of [here, there]) {
      await client.until("the event", ({ published }) => published.length > 0);
      assert.equal(client.published[0]?.data, data);
    }
    for (const replica of [one, two]) {
      const polled = await fetch(`${replica.url}/api/events/poll?after=${before}&wait=5`);
      assert.ok((await polled.text()).includes(data), "by poll");
    }
    const key = { "idempotency-key": `numbers-${process.pid}` };
    const statuses: number[] = [];
    for (const text of ["12345678901234567890", "12345678901234567891", "12345678901234567890"])
      statuses.push((await raw(text, key)).status);
    assert.deepEqual(statuses, [201, 422, 201]);
  });

  it("refuses a body that says two things of one name", async () => {
    for (const body of ['{"type":"t","data":{"a":1,"a":2}}', '{"type":"t","data":1,"data":2}']) {
      const answer = await ask(one, "POST", "/api/events", { body });
      assert.deepEqual([answer.status, slugOf(answer)], [400, "invalid-json"]);
    }
  });

  it("sends what proxies and browsers need", async () => {
    const client = await connect(one, "", { origin: "https://elsewhere.example" }).joined();
    const headers = client.response?.headers ?? {};
    assert.equal(client.response?.statusCode, 200);
    assert.equal(headers["content-type"], "text/event-stream");
    assert.equal(headers["x-accel-buffering"], "no");
    assert.equal(headers["cache-control"], "no-cache, no-transform");
    assert.equal(headers["content-length"], undefined);
    assert.equal(headers["x-powered-by"], undefined);
    assert.ok(client.parser.retry && client.parser.retry >= 1000 && client.parser.retry <= 5000);
    await client.until(
      "heartbeats",
      ({ parser }) => parser.events.filter(({ event }) => event === "hb").length >= 3,
    );
    assert.ok(client.parser.comments >= 3);
  });

  it("filters by topic, and moves the cursor of a client whose topics are quiet", async () => {
    const client = await connect(one, "?topics=public.news.*").joined();
    const other = await post(one, { topic: "public.chat", type: "x", data: 1 });
    await client.until("the cursor moved", ({ parser }) => parser.lastEventId === other.id);
    const mine = await post(one, { topic: "public.news.today", type: "x", data: 2 });
    await client.until("the event", ({ published }) => published.length > 0);
    assert.deepEqual(
      client.published.map(({ id }) => id),
      [mine.id],
    );
  });

  it("refuses topics that are not well-formed, or of others", async () => {
    for (const [query, status] of [
      ["?topics=no%20spaces", 400],
      ["?topics=user.7.*", 403],
    ] as const) {
      const response = await fetch(`${one.url}/api/events${query}`);
      assert.equal(response.status, status);
      assert.match(response.headers.get("content-type") ?? "", /^application\/problem\+json/);
      await response.arrayBuffer();
    }
  });

  it("resumes by header and by query, on any replica, with no hole and no duplicate while events keep coming", async function () {
    this.timeout(240_000);
    await servers.admin.configSet("appendfsync", "always");
    const first = (await loggedIds(servers)).length;
    const total = 1200;
    let next = 0;
    const publishers = Array.from({ length: 6 }, async () => {
      while (next < total) {
        const { status } = await post(next % 2 ? one : two, { type: "n", data: next++ });
        assert.equal(status, 201);
      }
    });
    const follow = async (start: number): Promise<string[]> => {
      const got: string[] = [];
      let cursor = (await loggedIds(servers))[first - 1];
      for (let round = start; got.length < total; round++) {
        const byHeader = round % 2 === 0;
        const client: SseClient = connect(
          round % 4 < 2 ? one : two,
          byHeader ? "" : `?last_event_id=${cursor}`,
          byHeader && cursor ? { "last-event-id": cursor } : {},
        );
        const wanted = Math.min(total - got.length, 1 + Math.floor(Math.random() * 150));
        await client.until("events", ({ published }) => published.length >= wanted, 60_000);
        client.close();
        assert.deepEqual(client.resets, []);
        const ids = client.published.map(({ id }) => id as string);
        got.push(...ids);
        cursor = ids.at(-1);
      }
      return got;
    };
    const [a, b, c] = await Promise.all([follow(0), follow(1), follow(2), ...publishers]);
    await servers.admin.configSet("appendfsync", "everysec");
    const truth = (await loggedIds(servers)).slice(first);
    assert.equal(truth.length, total);
    for (const got of [a, b, c]) assert.deepEqual(got, truth);
  });

  it("prefers the header to the query", async () => {
    const ids = (await loggedIds(servers)).slice(-5);
    const client = connect(one, `?last_event_id=${ids[0]}`, { "last-event-id": ids[3] ?? "" });
    await client.until("the last", ({ published }) => published.length > 0);
    assert.deepEqual(
      client.published.map(({ id }) => id),
      ids.slice(4),
    );
  });

  it("answers an unknown cursor with a reset, never with an error", async () => {
    const [last = ""] = (await loggedIds(servers)).slice(-1);
    const ahead = last.replace(/-(\d+)-/, (_all, ms) => `-${Number(ms) + 1_000_000}-`);
    for (const [cursor, reason] of [
      ["nonsense", "malformed"],
      ["..%2F..%2Fetc", "malformed"],
      ["x".repeat(3000), "malformed"],
      ["aaaaaaaaaa-1-1", "epoch"],
      [ahead, "unknown"],
    ] as const) {
      for (const instance of [one, two]) {
        const client = await connect(instance, `?last_event_id=${cursor}`).until(
          "a reset",
          ({ resets }) => resets.length > 0,
        );
        assert.equal(client.response?.statusCode, 200);
        assert.equal(
          (JSON.parse(client.resets[0]?.data ?? "{}") as { reason: string }).reason,
          reason,
          cursor,
        );
        assert.equal(client.resets[0]?.id, undefined);
        await client.until("a new cursor", ({ parser }) => parser.lastEventId === last);
        client.close();
      }
    }
  });

  it("tells a client whose history was trimmed exactly once, and sends none of it", async () => {
    const ids = await loggedIds(servers);
    const kept = ids.slice(-10);
    await servers.admin.xTrim("omniai:events:log", "MAXLEN", 10);
    const late = connect(two, `?last_event_id=${ids.at(-200)}`);
    const inTime = connect(two, `?last_event_id=${kept[3]}`);
    await late.until("a reset", ({ resets }) => resets.length > 0);
    const { id } = await post(one, { type: "after", data: 1 });
    await late.until("the next", ({ published }) => published.length > 0);
    await inTime.until("all of the rest", ({ published }) => published.length >= 7);
    assert.equal(late.resets.length, 1);
    const { reason, earliest } = JSON.parse(late.resets[0]?.data ?? "") as Record<string, unknown>;
    assert.deepEqual([reason, earliest], ["trimmed", kept[0]], "and from where on there is a history");
    assert.deepEqual(
      late.published.map((event) => event.id),
      [id],
    );
    assert.deepEqual(inTime.resets, []);
    assert.deepEqual(
      inTime.published.map((event) => event.id),
      [...kept.slice(4), id],
    );
    // Having been told, it resumes without being told again.
    const again = connect(two, `?last_event_id=${late.parser.lastEventId}`);
    await again.until("joined", ({ parser }) => parser.events.length > 0);
    assert.deepEqual(again.resets, []);
  });

  it("starts a new epoch when the log is flushed: one reset for everybody, then every new event", async () => {
    const open = await Promise.all([connect(one).joined(), connect(two).joined()]);
    const old = open[0]?.parser.lastEventId ?? "";
    await servers.admin.flushAll();
    const { status, id } = await post(two, { type: "reborn", data: 1 });
    assert.equal(status, 201);
    assert.notEqual(id.split("-")[0], old.split("-")[0]);
    const late = [connect(one, `?last_event_id=${old}`), connect(two, `?last_event_id=${old}`)];
    for (const client of [...open, ...late]) await client.until("a reset", ({ resets }) => resets.length > 0);
    for (const client of open) {
      await client.until("the first of the epoch", ({ published }) => published.length > 0);
      assert.equal(client.published[0]?.id, id);
    }
    const { id: second } = await post(one, { type: "reborn", data: 2 });
    for (const client of [...open, ...late]) {
      await client.until("the second", ({ published }) => published.at(-1)?.id === second);
      assert.equal(client.resets.length, 1);
      assert.equal((JSON.parse(client.resets[0]?.data ?? "") as { reason: string }).reason, "epoch");
    }
  });

  it("notices a flush by itself when nothing is posted", async () => {
    const client = await connect(one).joined();
    const old = client.parser.lastEventId;
    await servers.admin.flushAll();
    await client.until("a reset", ({ resets }) => resets.length > 0);
    await client.until("a new epoch", ({ parser }) => parser.lastEventId.split("-")[0] !== old.split("-")[0]);
  });

  it("is resumed by the EventSource of npm when a stream reaches its age", async () => {
    const young = await startInstance({ OMNIAI_STREAM_MAX_AGE_SECONDS: "1" });
    const source = new EventSource(`${young.url}/api/events`);
    const got: string[] = [];
    let opened = 0;
    let hasJoined = false;
    source.addEventListener("open", () => opened++);
    source.addEventListener("tick", (event) => got.push(event.lastEventId));
    // The first heartbeat has the stream's position: all that is posted from then on will arrive.
    source.addEventListener("hb", ({ lastEventId }) => (hasJoined ||= lastEventId !== ""));
    try {
      await eventually("joined", () => hasJoined);
      const sent: string[] = [];
      // A stream's age and the client's pause are seconds.
      while (opened < 2 || sent.length < 6) {
        sent.push((await post(one, { type: "tick", data: sent.length })).id);
        await sleep(50);
      }
      await eventually("all of them", () => got.length >= sent.length);
      assert.deepEqual(got, sent);
    } finally {
      source.close();
      await young.stop();
    }
  });

  it("rejects a client within the stream when it has enough of them", async () => {
    const small = await startInstance({ OMNIAI_MAX_STREAMS: "1" });
    const first = await connect(small).joined();
    const second = connect(small);
    assert.equal(await second.ended, "end");
    assert.equal(second.response?.statusCode, 200);
    assert.deepEqual(
      second.parser.events.map(({ event }) => event),
      ["bye"],
    );
    assert.ok((second.parser.retry ?? 0) >= 5000);
    first.close();
    await eventually("room again", () => small.streams.size === 0);
    await connect(small).joined();
    await small.stop();
  });
});

describe("HTTP", function () {
  this.timeout(120_000);
  let instance: Instance;
  before(async function () {
    this.timeout(120_000);
    instance = await startInstance({ OMNIAI_CORS_ORIGINS: "https://someone.github.io" });
  });
  after(() => instance?.stop());

  it("answers errors as problems with a request id, without internals", async () => {
    const send = (body: string, headers: Record<string, string>): Promise<Response> =>
      fetch(`${instance.url}/api/events`, { method: "POST", body, headers });
    const json = { "content-type": "application/json" };
    for (const [response, status, type] of [
      [await send("{", json), 400, "invalid-json"],
      [await send("{}", json), 400, "invalid-event"],
      [await send("x", { "content-type": "text/plain" }), 415, "unsupported-media-type"],
      [await send(JSON.stringify({ type: "t", data: "x".repeat(70_000) }), json), 413, "body-too-large"],
      [await send(JSON.stringify({ type: "t", data: "x".repeat(40_000) }), json), 413, "event-too-large"],
      [await send(JSON.stringify({ type: "t", data: 1, topic: "user.7.x" }), json), 403, "topic-not-allowed"],
      [await fetch(`${instance.url}/nothing`), 404, "not-found"],
      [await fetch(`${instance.url}/api/events`, { method: "DELETE" }), 405, "method-not-allowed"],
      [await fetch(`${instance.url}/%`), 404, "not-found"],
    ] as const) {
      const text = await response.text();
      const body = JSON.parse(text) as Record<string, unknown>;
      assert.equal(response.status, status, text);
      assert.match(response.headers.get("content-type") ?? "", /^application\/problem\+json/);
      assert.equal(body.type, `urn:omniai:problem:${type}`);
      assert.equal(body.status, status);
      assert.equal(body.requestId, response.headers.get("x-request-id"));
      assert.doesNotMatch(text, /node_modules|\.ts|Error:/);
    }
  });

  it("takes over a well-formed request id only", async () => {
    const idFor = async (given: string): Promise<string | null> => {
      const response = await fetch(`${instance.url}/healthz`, { headers: { "x-request-id": given } });
      await response.arrayBuffer();
      return response.headers.get("x-request-id");
    };
    assert.equal(await idFor("abcdefgh-1234"), "abcdefgh-1234");
    for (const bad of ["short", "with space in it", "x".repeat(200), "<script>alert(1)</script>"]) {
      assert.match((await idFor(bad)) ?? "", /^[0-9a-f-]{36}$/);
    }
  });

  it("names exact origins on answers, errors and streams, and none for others", async () => {
    for (const path of ["/api/diag", "/nothing", "/api/events", "/healthz"]) {
      for (const origin of ["https://someone.github.io", "https://other.github.io"]) {
        const abort = new AbortController();
        const { headers } = await fetch(`${instance.url}${path}`, {
          headers: { origin },
          signal: abort.signal,
        });
        abort.abort();
        const isOurs = origin.includes("someone");
        assert.equal(headers.get("access-control-allow-origin"), isOurs ? origin : null, path);
        assert.match(headers.get("vary") ?? "", /Origin/);
      }
    }
    const preflight = await fetch(`${instance.url}/api/events`, {
      method: "OPTIONS",
      headers: {
        origin: "https://someone.github.io",
        "access-control-request-method": "GET",
        "access-control-request-headers": "last-event-id",
      },
    });
    assert.equal(preflight.status, 204);
    assert.match(preflight.headers.get("access-control-allow-headers") ?? "", /last-event-id/);
  });

  it("shows in /api/diag what it runs on, and nothing of the inside", async () => {
    let text = "";
    let diag: Record<string, Record<string, unknown>> = {};
    // A check that came too late on a busy machine counts until the next one, and what did not come in time is left out.
    await eventually("all of it", async () => {
      const response = await fetch(`${instance.url}/api/diag`);
      text = await response.text();
      diag = JSON.parse(text) as typeof diag;
      assert.equal(response.status, 200);
      return (diag as { status?: unknown }).status === "pass" && diag.redis?.persistence !== undefined;
    });
    assert.match(String(diag.database?.version), /^17\./);
    assert.equal(diag.database?.statStatements, true);
    assert.match(String(diag.redis?.version), /^8\./);
    assert.deepEqual(diag.redis?.persistence, { appendOnly: true, lastWriteOk: true, loading: false });
    assert.ok(Number(diag.database?.latencyMs) > 0 && Number(diag.redis?.latencyMs) > 0);
    assert.doesNotMatch(text, /127\.0\.0\.1|password|test\b.*redis:/);
  });

  it("serves health on both ports, with the checks on the internal one only", async () => {
    for (const path of ["/healthz", "/readyz", "/startupz"]) {
      for (const url of [instance.url, instance.internalUrl]) {
        let body: { status?: string; checks?: Record<string, unknown[]> } = {};
        // The same.
        await eventually(`${path} passes`, async () => {
          const response = await fetch(`${url}${path}`);
          body = (await response.json()) as typeof body;
          assert.match(response.headers.get("content-type") ?? "", /^application\/health\+json/);
          return response.status === 200 && body.status === "pass";
        });
        const hasChecks = url === instance.internalUrl && path === "/readyz";
        const names = [
          "database:responseTime",
          "events:lag",
          "events:silence",
          "events:size",
          "migrations:pending",
          "redis:memory",
          "redis:responseTime",
        ];
        assert.deepEqual(Object.keys(body.checks ?? {}).sort(), hasChecks ? names : []);
      }
    }
    assert.equal((await fetch(`${instance.internalUrl}/api/diag`)).status, 404);
  });

  it("answers HEAD of the stream without opening one", async () => {
    // Those of tests before whose clients have left.
    await eventually("none is open", () => instance.streams.size === 0);
    const response = await fetch(`${instance.url}/api/events`, { method: "HEAD" });
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("content-type"), "text/event-stream");
    assert.equal(instance.streams.size, 0);
  });
});
