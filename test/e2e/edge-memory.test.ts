/**
 * The edge's memory, on a real nginx with a limit: it refuses what does not fit, is never killed for it, and goes on for whom
 * it has. infra/test/edge-memory.test.ts has the sums.
 */
import { strict as assert } from "node:assert";
import type { RequestListener, ServerResponse } from "node:http";
import { connect as http2Connect, type ClientHttp2Session } from "node:http2";
import { connect, type TLSSocket } from "node:tls";
import {
  LEAST_MIB,
  memoryForReplicas,
  planEdgeMemory,
  STREAMS_PER_REPLICA,
} from "../../infra/components/edge/memory.ts";
import { startEdge, type TestEdge } from "../support/edge.ts";
import { call, eventually } from "../support/http.ts";
import { docker } from "../support/stack.ts";

/** A stream over TLS: whether it is open, and how many events it had. */
interface Stream {
  readonly socket: TLSSocket;
  events: number;
}

describe("the edge's memory", function () {
  this.timeout(120_000);
  const streams = new Set<ServerResponse>();
  const replica: RequestListener = (request, response) => {
    if (request.url !== "/api/events") return void response.end(`{"ok":true}`);
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
    response.write(": ok\n\n");
    streams.add(response);
    response.on("close", () => streams.delete(response));
  };
  // A silent stream counts as hung, and opening many takes a busy machine longer than that.
  const heartbeat = setInterval(() => {
    for (const response of streams) response.write(": beat\n\n");
  }, 5000);
  after(() => clearInterval(heartbeat));
  const edges: TestEdge[] = [];
  afterEach(() => {
    for (const edge of edges.splice(0)) edge.remove();
    streams.clear();
  });
  const start = async (memory: number): Promise<TestEdge> => {
    const edge = await startEdge([replica], undefined, { memory });
    edges.push(edge);
    return edge;
  };

  /** @returns the stream; undefined where it was refused. */
  const open = (edge: TestEdge): Promise<Stream | undefined> =>
    new Promise((resolve) => {
      const socket = connect({ port: edge.httpsPort, host: "127.0.0.1", rejectUnauthorized: false });
      const stream: Stream = { socket, events: 0 };
      socket.on("secureConnect", () =>
        socket.write("GET /api/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"),
      );
      socket.on("data", (part: Buffer) => {
        if (part.includes(": ok\n")) resolve(stream);
        stream.events += part.toString("latin1").split("data: tick").length - 1;
      });
      socket.on("error", () => undefined).on("close", () => resolve(undefined));
    });
  const openMany = async (edge: TestEdge, count: number): Promise<Stream[]> => {
    const opened: Stream[] = [];
    for (let n = 0; n < count; n += 50)
      for (const stream of await Promise.all(Array.from({ length: 50 }, () => open(edge))))
        if (stream) opened.push(stream);
    return opened;
  };
  /** Every one of these is open and gets the next event. */
  const hear = async (all: readonly Stream[]): Promise<void> => {
    const before = all.map(({ events }) => events);
    for (const response of streams) response.write("data: tick\n\n");
    await eventually("an event in every stream", 60, () =>
      all.every(({ events }, index) => events === (before[index] ?? 0) + 1),
    );
  };
  /** What the kernel has counted, and the processes that began with the edge. */
  const life = async (edge: TestEdge): Promise<{ killed: boolean; workers: string }> => {
    const { State } = await docker.getContainer(edge.container).inspect();
    const { Processes } = (await docker.getContainer(edge.container).top({ ps_args: "-o pid,args" })) as {
      Processes: string[][];
    };
    const workers = Processes.filter(([, ...args]) => args.join(" ").includes("nginx: worker"));
    return { killed: State.OOMKilled, workers: workers.map(([pid]) => pid).join(" ") };
  };
  const mebibytes = (edge: TestEdge): number =>
    Number(
      edge.exec(
        "cat /sys/fs/cgroup/memory/memory.usage_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.current",
      ),
    ) /
    1024 /
    1024;

  it("refuses streams that do not fit, and whoever is in stays", async () => {
    const edge = await start(LEAST_MIB);
    const before = await life(edge);
    const { clients } = planEdgeMemory(LEAST_MIB);
    const kept = await openMany(edge, 100);
    assert.equal(kept.length, 100);
    const more = await openMany(edge, clients + 100);
    assert.ok(more.length < clients, `${more.length} beside 100, where ${clients} fit`);
    assert.ok(more.length > clients / 2, `${more.length} beside 100, where ${clients} fit`);
    await hear([...kept, ...more]);
    assert.deepEqual(await life(edge), before);
    // Operators are told by this line: alert EdgeAlarm.
    assert.match(edge.errors(), /\[alert\].*worker_connections are not enough/);
    for (const { socket } of [...kept, ...more]) socket.destroy();
    await eventually("room for others", 60, async () => (await call(`${edge.https}/api/x`)).status === 200);
  });

  it("is not killed by clients that ask for much over HTTP/2 and take nothing", async () => {
    const edge = await start(LEAST_MIB);
    const before = await life(edge);
    const kept = await openMany(edge, 50);
    const sessions: ClientHttp2Session[] = [];
    const headers = Object.fromEntries([..."abcdefg"].map((name) => [`x-${name}`, "p".repeat(1900)]));
    for (let n = 0; n < 25; n += 1) {
      const session = http2Connect(edge.https, {
        rejectUnauthorized: false,
        settings: { initialWindowSize: 0 },
      });
      session.on("error", () => undefined);
      sessions.push(session);
      for (let m = 0; m < 100; m += 1)
        session.request({ ":path": "/nothing", ...headers }).on("error", () => undefined);
    }
    await eventually("more than there is", 30, () =>
      /(malloc|posix_memalign)\(.* failed/.test(edge.errors()),
    );
    assert.deepEqual(await life(edge), before);
    assert.ok(mebibytes(edge) < LEAST_MIB);
    for (const session of sessions) session.destroy();
    const left = kept.filter(({ socket }) => !socket.destroyed);
    assert.ok(left.length >= 45, `${left.length} of 50 streams are left`);
    await hear(left);
  });

  it("has room for a share of two replicas' streams in that share of their memory, before and after a reload", async () => {
    const share = 0.06;
    const wanted = share * 2 * STREAMS_PER_REPLICA;
    const base = memoryForReplicas(0);
    const memory = Math.ceil(base + share * (memoryForReplicas(2) - base));
    assert.ok(memory >= LEAST_MIB, "less would be taken as more");
    const edge = await start(memory);
    // Nobody is refused but by a worker that is full, which at worst is the one that everybody comes to. Whoever is comes again, as
    // pages do.
    const mostRefused = wanted - planEdgeMemory(memory).workerConnections / 2;
    const openAll = async (): Promise<Stream[]> => {
      const all = await openMany(edge, wanted);
      const refused = wanted - all.length;
      console.log(`      ${refused} of ${wanted} were refused at first`);
      assert.ok(refused <= mostRefused, `${refused} of ${wanted} were refused at first`);
      for (let tries = 0; all.length < wanted && tries < 20; tries += 1)
        all.push(...(await openMany(edge, 50)).slice(0, wanted - all.length));
      return all;
    };
    const opened = await openAll();
    assert.equal(opened.length, wanted);
    // Old workers stay with their streams while new ones take as many.
    await edge.configure({ responseSeconds: 3 });
    const after = await openAll();
    assert.equal(after.length, wanted);
    await hear([...opened, ...after]);
    assert.doesNotMatch(edge.errors(), /Cannot allocate memory/);
    assert.equal((await life(edge)).killed, false);
  });
});
