/** What streams do to the connections that they take over, seen from the wire, and what they tell the metrics. */
import { strict as assert } from "node:assert";
import { channel } from "node:diagnostics_channel";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { pino } from "pino";
import { loadConfig } from "../../src/platform/env/config.ts";
import type { EventsMetrics } from "../../src/events/stream/metrics.ts";
import { startService, type Service } from "../../src/service.ts";
import { eventually, post, startInstance, testEnvironment } from "../support/instance.ts";
import { loggedIds, testServers } from "../support/servers.ts";
import { SseClient } from "../support/sse.ts";

/** What the streams do to the connections that they take over, seen from the wire, and what they tell the metrics. */
describe("connections of streams", function () {
  this.timeout(120_000);
  let service: Service;
  let url: string;
  const counted: [string, ...unknown[]][] = [];
  const metrics: EventsMetrics = {
    opened: () => counted.push(["opened"]),
    closed: (reason) => counted.push(["closed", reason]),
    dropped: (reason) => counted.push(["dropped", reason]),
    replayed: (events) => counted.push(["replayed", events]),
    reset: (reason, streams) => counted.push(["reset", reason, streams]),
    lag: (ms) => counted.push(["lag", ms]),
  };
  const sockets: Socket[] = [];

  /** Sends `text` as it is, and collects what comes back. */
  const raw = (
    text: string,
    { port }: { port: number } = service,
  ): { socket: Socket; got: () => string; closed: Promise<unknown> } => {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    sockets.push(socket);
    let got = "";
    socket.on("data", (data) => (got += data.toString()));
    socket.on("error", () => undefined);
    const closed = once(socket, "close");
    socket.on("end", () => socket.end());
    socket.write(text);
    return { socket, got: () => got, closed };
  };

  before(async function () {
    this.timeout(120_000);
    const config = loadConfig(await testEnvironment({ OMNIAI_STREAM_STALL_SECONDS: "1" }));
    service = await startService(config, pino({ level: "silent" }), { eventsMetrics: metrics });
    url = `http://127.0.0.1:${await service.opened}`;
    await post({ url }, { type: "first", data: 1 });
  });
  beforeEach(() => counted.splice(0));
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await eventually("none left", () => service.streams.size === 0);
  });
  after(() => service?.stop());

  /** All that a stream gets that is opened with this request: the event, and the end when its replica drains. */
  async function untilTheEnd(
    request: string,
    event: { readonly type: string; readonly data: unknown },
  ): Promise<string> {
    const leaving = await startInstance();
    try {
      const { got, closed } = raw(request, leaving);
      await eventually("joined", () => got().includes("event: hb"));
      await post({ url }, event);
      await eventually("the event", () => got().includes(`event: ${event.type}`));
      await leaving.stop();
      await closed;
      return got();
    } finally {
      await leaving.stop();
    }
  }

  it("keep nothing of the request and the response that opened them", async () => {
    const streams = 20;
    const opened: WeakRef<object>[] = [];
    const note = (message: unknown): void => {
      const { request, response } = message as { request: object; response: object };
      opened.push(new WeakRef(request), new WeakRef(response));
    };
    const requests = channel("http.server.request.start");
    requests.subscribe(note);
    try {
      const clients = Array.from({ length: streams }, () =>
        raw("GET /api/events HTTP/1.1\r\nHost: x\r\n\r\n"),
      );
      await eventually("all have joined", () => clients.every(({ got }) => got().includes("event: hb")));
    } finally {
      requests.unsubscribe(note);
    }
    assert.equal(opened.length, 2 * streams);
    setFlagsFromString("--expose-gc");
    const collectGarbage = runInNewContext("gc") as () => void;
    await eventually("they are gone", () => {
      collectGarbage();
      return opened.every((each) => each.deref() === undefined);
    });
    assert.equal(service.streams.size, streams);
  });

  it("frames the chunks of HTTP/1.1, and ends body and connection", async () => {
    const got = await untilTheEnd("GET /api/events HTTP/1.1\r\nHost: x\r\n\r\n", {
      type: "wide",
      data: "ü€😀\r\n",
    });
    const [head = "", ...rest] = got.split("\r\n\r\n");
    assert.match(head, /^HTTP\/1\.1 200 /);
    assert.match(head, /transfer-encoding: chunked/i);
    assert.match(head, /connection: close/i);
    let body = Buffer.from(rest.join("\r\n\r\n"));
    let text = "";
    for (;;) {
      const end = body.indexOf("\r\n");
      const size = parseInt(body.subarray(0, end).toString(), 16);
      assert.ok(size >= 0, body.toString());
      if (size === 0) break;
      text += body.subarray(end + 2, end + 2 + size).toString();
      assert.equal(body.subarray(end + 2 + size, end + 4 + size).toString(), "\r\n");
      body = body.subarray(end + 4 + size);
    }
    assert.equal(body.toString(), "0\r\n\r\n");
    assert.match(text, /event: wide\ndata: "ü€😀\\r\\n"\n\n/);
    assert.match(text, /event: bye\ndata: \{"reason":"draining"/);
  });

  it("frames nothing for HTTP/1.0", async () => {
    const got = await untilTheEnd("GET /api/events HTTP/1.0\r\nHost: x\r\n\r\n", { type: "plain", data: 1 });
    const [head = "", ...rest] = got.split("\r\n\r\n");
    assert.doesNotMatch(head, /transfer-encoding/i);
    const body = rest.join("\r\n\r\n");
    assert.doesNotMatch(body, /\r/);
    assert.match(body, /event: plain\ndata: 1\n\n/);
  });

  it("notices a client that leaves, also when it only ends its side", async () => {
    for (const leave of [(socket: Socket) => socket.destroy(), (socket: Socket) => socket.end()]) {
      const { socket, got } = raw("GET /api/events HTTP/1.1\r\nHost: x\r\n\r\n");
      await eventually("joined", () => got().includes("event: hb"));
      assert.equal(service.streams.size, 1);
      leave(socket);
      await eventually("noticed", () => service.streams.size === 0);
    }
    assert.deepEqual(
      counted.filter(([what]) => what !== "lag"),
      [["opened"], ["closed", "client"], ["opened"], ["closed", "client"]],
    );
  });

  it("serves a connection that did other things first, and is not confused by what comes behind", async () => {
    const { got, socket } = raw("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    await eventually("answered", () => got().includes("pass"));
    socket.write("GET /api/events HTTP/1.1\r\nHost: x\r\n\r\n");
    await eventually("joined", () => got().includes("event: hb"));
    socket.write("GET /api/diag HTTP/1.1\r\nHost: x\r\n\r\n\0\0garbage");
    const { id } = await post({ url }, { type: "still", data: 1 });
    await eventually("still served", () => got().includes(id));
    assert.equal(got().match(/HTTP\/1\.1 /g)?.length, 2);
  });

  it("answers what cannot be parsed with a problem, a log line and a metric, on both ports", async () => {
    const lines: { msg: string; requestId?: string; status?: number }[] = [];
    const logger = pino(
      { level: "info" },
      { write: (line) => lines.push(JSON.parse(line) as (typeof lines)[0]) },
    );
    const logged = await startService(loadConfig(await testEnvironment()), logger, { opensAtOnce: true });
    const end = "Host: x\r\nConnection: close\r\n\r\n";
    const chunked =
      "POST /api/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked";
    const requests: [string, string, number][] = [
      ["a malformed target", `GET http://[::1 HTTP/1.1\r\n${end}`, 400],
      ["no HTTP", "what is this\r\n\r\n", 400],
      ["a bad header", "GET / HTTP/1.1\r\nHost: x\r\nbad header: 1\r\n\r\n", 400],
      ["headers that are too long", `GET / HTTP/1.1\r\nHost: x\r\nx: ${"y".repeat(20_000)}\r\n\r\n`, 431],
      ["no host", "GET / HTTP/1.1\r\nConnection: close\r\n\r\n", 400],
      ["an expectation", `GET / HTTP/1.1\r\nExpect: the-unexpected\r\n${end}`, 417],
      ["a request to a proxy", `CONNECT x:80 HTTP/1.1\r\n${end}`, 400],
      ["a body that is not chunked as it says", `${chunked}\r\n\r\n2\r\n{"\r\nzz\r\n`, 400],
      ["a chunk with too much beside it", `${chunked}\r\n\r\n2;${"z".repeat(20_000)}\r\n{}\r\n`, 413],
      ["rubbish behind a good one", "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nwhat is this\r\n\r\n", 400],
    ];
    try {
      for (const port of [logged.port, logged.internalPort]) {
        for (const [what, text, status] of requests) {
          const { got, closed } = raw(text, { port });
          await closed;
          const answer = got().slice(got().lastIndexOf("HTTP/1.1 "));
          const [head = "", body = ""] = answer.split("\r\n\r\n");
          if (port === logged.internalPort && text.startsWith("POST")) continue;
          assert.ok(head.startsWith(`HTTP/1.1 ${status} `), `${what}: ${head}`);
          assert.match(head, /^content-type: application\/problem\+json/im, what);
          const id = /^x-request-id: (\S+)$/im.exec(head)?.[1];
          const problem = JSON.parse(body) as { type: string; requestId: string; status: number };
          assert.deepEqual(
            [problem.type, problem.requestId, problem.status],
            ["urn:omniai:problem:bad-request", id, status],
            what,
          );
          const logs = (): typeof lines =>
            lines.filter((line) => line.msg === "request" && line.requestId === id);
          await eventually(`a line about ${what}`, () => logs().length > 0);
          assert.deepEqual(
            logs().map((line) => line.status),
            [status],
            what,
          );
        }
      }
      assert.equal((await fetch(`http://127.0.0.1:${logged.port}/healthz`)).status, 200);
      const metrics = await (await fetch(`http://127.0.0.1:${logged.internalPort}/metrics`)).text();
      const counted = [...metrics.matchAll(/request_duration_seconds_count\{.*,status="4\d\d"\} (\d+)/g)];
      assert.equal(
        counted.reduce((sum, [, count]) => sum + Number(count), 0),
        requests.length,
        counted.join("\n"),
      );
    } finally {
      await logged.stop();
    }
  });

  it("holds nothing for streams that are pipelined", async () => {
    const ask = "GET /api/events HTTP/1.1\r\nHost: x\r\n\r\n";
    const first = raw(`GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n${ask}${ask}`);
    await eventually("answered", () => first.got().includes("pass"));
    await eventually("at most one", () => service.streams.size <= 1);
    const other = raw(`${ask}${ask}${ask}`);
    await eventually("joined", () => other.got().includes("event: hb"));
    assert.ok(service.streams.size <= 2);
    for (const { socket } of [first, other]) socket.destroy();
    await eventually("all given back", () => service.streams.size === 0);
  });

  it("gives back the places and the bytes of everything that waits behind a stream on its connection", async () => {
    const few = await startInstance({
      OMNIAI_MAX_STREAMS_PER_ADDRESS: "20",
    });
    try {
      const ask = "GET /api/events HTTP/1.1\r\nHost: x\r\n\r\n";
      const unsent = "POST /api/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
      const pipelined = raw(`${ask.repeat(20)}${unsent}Content-Length: 1000\r\n\r\n{`, few);
      await eventually("joined", () => pipelined.got().includes("event: hb"));
      const all = Array.from({ length: 19 }, () => raw(ask, few));
      await eventually("as many as there are places beside it", () => few.streams.size === 20);
      await eventually("joined, too", () => all.every(({ got }) => got().includes("event: hb")));
      const metrics = await (await fetch(`${few.internalUrl}/metrics`)).text();
      assert.equal(/^omniai_request_body_bytes (\d+)$/m.exec(metrics)?.[1], "0");
      assert.equal(pipelined.got().match(/HTTP\/1\.1 /g)?.length, 1, "nothing else is answered there");
      assert.equal(pipelined.socket.destroyed, false);
    } finally {
      await few.stop();
    }
  });

  it("drops a client that takes nothing, and counts it", async () => {
    const { socket, got } = raw("GET /api/events HTTP/1.1\r\nHost: x\r\n\r\n");
    await eventually("joined", () => got().includes("event: hb"));
    socket.pause();
    // Some MiB fit into the buffers of the two kernels: quickly.
    const { admin } = await testServers();
    await admin.configSet("appendfsync", "always");
    const sending = Array.from({ length: 8 }, async () => {
      while (service.streams.size > 0) await post({ url }, { type: "big", data: "x".repeat(32_000) });
    });
    await eventually("dropped", () => service.streams.size === 0);
    await Promise.all(sending);
    await admin.configSet("appendfsync", "everysec");
    const ends = counted.filter(([what]) => what === "dropped" || what === "closed");
    const [, reason] = ends[0] ?? [];
    assert.ok(reason === "slow" || reason === "stalled", String(reason));
    assert.deepEqual(ends, [
      ["dropped", reason],
      ["closed", reason],
    ]);
  });

  it("counts what was replayed and reset, and how far behind the fan-out is", async () => {
    for (const data of [1, 2, 3]) await post({ url }, { type: "before", data });
    const ids = await loggedIds(await testServers());
    const resumed = new SseClient(`${url}/api/events`, { "last-event-id": ids.at(-3) ?? "" });
    await resumed.until("both", ({ published }) => published.length === 2);
    const lost = new SseClient(`${url}/api/events`, { "last-event-id": "nonsense" });
    await lost.until("a reset", ({ resets }) => resets.length === 1);
    await fetch(`${url}/api/events/poll?after=nonsense`);
    await post({ url }, { type: "now", data: 1 });
    await lost.until("fanned out", ({ published }) => published.length === 1);
    resumed.close();
    lost.close();
    assert.deepEqual(
      counted.filter(([what]) => what === "replayed" || what === "reset"),
      [
        ["replayed", 2],
        ["reset", "malformed", 1],
        ["reset", "malformed", 1],
      ],
    );
    const [, lag] = counted.find(([what]) => what === "lag") ?? [];
    assert.ok(typeof lag === "number" && lag >= 0 && lag < 60_000, String(lag));
  });
});
