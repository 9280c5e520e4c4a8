/** The life of the process: start, drain, stop, and a blocked event loop. */
import { strict as assert } from "node:assert";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { Agent, request } from "node:http";
import { connect as connectSocket, Socket } from "node:net";
import { Writable } from "node:stream";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { BATCH_BYTES } from "../../src/events/stream/delivery.ts";
import { eventually, post, startInstance, statusOf } from "../support/instance.ts";
import { children, spawnMain, startProcess } from "../support/process.ts";
import { testServers } from "../support/servers.ts";
import { SseClient } from "../support/sse.ts";

describe("life of the process", function () {
  this.timeout(120_000);
  before(async function () {
    this.timeout(120_000);
    await testServers();
  });

  it("says farewell to a stream that opens in the very moment in which the farewell begins", async () => {
    const instance = await startInstance();
    let farewell: Promise<void> | undefined;
    try {
      // The route corks the connection when it has let the stream in, and opens it in the next turn of the event loop.
      Socket.prototype.cork = function (this: Socket) {
        farewell ??= instance.streams.farewell(0);
        Writable.prototype.cork.call(this);
      };
      const client = new SseClient(`${instance.url}/api/events`);
      await client.until("a farewell", ({ parser }) => parser.events.length > 0);
      assert.ok(farewell);
      const [first] = client.parser.events;
      assert.deepEqual([first?.event, first?.data.includes('"draining"')], ["bye", true]);
      assert.equal(await client.ended, "end");
    } finally {
      Reflect.deleteProperty(Socket.prototype, "cork");
      await instance.stop();
    }
  });

  it("answers every request while it stops under load, says farewell to its streams, and exits with 0 in time", async () => {
    // Time enough for all that has to happen before the switch, on a busy machine as well.
    const [switchMs, drainMs] = [6000, 5900];
    const { url, internalUrl, child, exit, lines } = await startProcess({
      OMNIAI_SWITCH_SECONDS: String(switchMs / 1000),
      OMNIAI_DRAIN_SECONDS: String(drainMs / 1000),
    });
    const clients = await Promise.all(
      Array.from({ length: 30 }, () => new SseClient(`${url}/api/events`).joined()),
    );
    const agent = new Agent({ keepAlive: true });
    const outcomes: (number | string)[] = [];
    let closing = 0;
    let isSwitched = false;
    const ask = (method: string, path: string): Promise<void> =>
      new Promise((resolve) => {
        const headers = method === "POST" ? { "content-type": "application/json" } : {};
        const asked = request(`${url}${path}`, { method, agent, headers }, (response) => {
          outcomes.push(response.statusCode ?? 0);
          if (response.headers.connection === "close") closing++;
          response.resume().on("close", resolve);
        });
        asked.on("error", (error) => {
          outcomes.push(error.message);
          resolve();
        });
        asked.end(method === "POST" ? JSON.stringify({ type: "load", data: 1 }) : undefined);
      });
    // Does what the edge does: sends here until it has switched to the successors, which is before the switch time ends.
    const load = Array.from({ length: 16 }, async (_, worker) => {
      while (!isSwitched) await (worker % 4 === 0 ? ask("POST", "/api/events") : ask("GET", "/api/diag"));
    });
    await eventually("under load", () => outcomes.length > 100);
    const stoppedAt = Date.now();
    child.kill("SIGTERM");
    await eventually(
      "not ready",
      async () => (await statusOf(`${internalUrl}/readyz`)) === 503,
      switchMs / 2,
    );
    assert.equal(await statusOf(`${url}/readyz`), 503);
    assert.equal(await statusOf(`${internalUrl}/healthz`), 200);
    child.kill("SIGTERM");
    const late = new SseClient(`${url}/api/events`);
    assert.equal(await late.ended, "end");
    assert.equal(late.response?.statusCode, 200);
    assert.ok(late.parser.retry !== undefined);
    assert.deepEqual(
      late.parser.events.map(({ event, data }) => [event, (JSON.parse(data) as { reason: string }).reason]),
      [["bye", "draining"]],
    );
    const posted = await post({ url }, { type: "still", data: 1 });
    assert.equal(posted.status, 201);
    const postedAt = Date.now();
    await sleep(Math.max(0, stoppedAt + switchMs / 2 - Date.now()));
    isSwitched = true;
    await Promise.all(load);
    agent.destroy();
    const ends = await Promise.all(
      clients.map(async (client) => ({
        how: await client.ended,
        at: client.endedAt,
        retry: client.parser.retry,
        saw: client.published.some(({ id }) => id === posted.id),
      })),
    );
    const [code, signal] = await exit;
    const tookMs = Date.now() - stoppedAt;
    assert.deepEqual([code, signal], [0, null]);
    // The margin of the tests' processes is two seconds; a busy machine adds to it.
    assert.ok(tookMs < switchMs + 10_000, `took ${tookMs} ms`);
    assert.deepEqual(
      outcomes.filter((outcome) => outcome !== 200 && outcome !== 201),
      [],
      "failed requests",
    );
    assert.ok(
      outcomes.length > 100 && closing > 0,
      `${outcomes.length} requests, ${closing} told to reconnect`,
    );
    assert.ok(ends.every(({ how }) => how === "end"));
    assert.ok(new Set(ends.map(({ retry }) => retry)).size > 20, "each its own reconnection time");
    const times = ends.map(({ at }) => at);
    assert.ok(Math.max(...times) - Math.min(...times) > 1000, "spread out");
    // Long enough for the event to come to it.
    const stayed = ends.filter(({ at }) => at > postedAt + 1000);
    assert.ok(stayed.length > 0 && stayed.every(({ saw }) => saw), "followed until its farewell");
    assert.equal(
      lines.filter(({ msg }) => msg?.startsWith("draining")).length,
      1,
      "one farewell for two signals",
    );
    assert.equal(lines.at(-1)?.msg, "stopped");
  });

  it("stops in its grace while PostgreSQL and Redis do not answer", async () => {
    const { postgres, redis } = await testServers();
    const { child, exit } = await startProcess({});
    await Promise.all([postgres.pause(), redis.pause()]);
    try {
      const started = Date.now();
      child.kill("SIGTERM");
      const [code] = await exit;
      assert.equal(code, 0);
      // Unbounded, it would wait for them as long as they are paused.
      assert.ok(Date.now() - started < 20_000);
    } finally {
      await Promise.all([postgres.unpause(), redis.unpause()]);
    }
  });

  it("waits for its turn before it starts, and is ended meanwhile as at any time", async () => {
    const began = Date.now();
    const { exit, lines } = spawnMain({ OMNIAI_START_DELAY_SECONDS: "1.5", OMNIAI_PORT: "http" });
    await exit;
    assert.ok(Date.now() - began >= 1500);
    assert.equal(lines.length, 1);
    const { child, exit: ended } = spawnMain({ OMNIAI_START_DELAY_SECONDS: "30" });
    await sleep(300);
    const stopped = Date.now();
    child.kill("SIGTERM");
    assert.deepEqual(await ended, [null, "SIGTERM"]);
    assert.ok(Date.now() - stopped < 15_000, "not after its pause");
  });

  it("does not start with a wrong environment, and says in one line what is wrong", async () => {
    const { lines, exit } = spawnMain({ OMNIAI_PORT: "http", OMNIAI_REDIS_URL: "http://x" });
    const [code] = await exit;
    assert.equal(code, 78);
    assert.equal(lines.length, 1);
    assert.deepEqual(
      lines[0]?.problems?.map((problem) => problem.split(":")[0]),
      ["OMNIAI_PORT", "OMNIAI_REDIS_URL"],
    );
  });

  it("ends when its event loop is blocked", async () => {
    const child = spawn(process.execPath, [new URL("../support/wedge.ts", import.meta.url).pathname], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    children.add(child);
    let output = "";
    let blockedAt = 0;
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      if (output.includes("blocking")) blockedAt ||= Date.now();
    });
    const [, signal] = (await once(child, "exit")) as unknown[];
    assert.equal(signal, "SIGKILL");
    assert.ok(blockedAt > 0, "not before it was blocked");
    assert.ok(Date.now() - blockedAt < 20_000);
    assert.match(output, /event loop blocked/);
  });

  it("ends when its event loop is blocked, also when nobody takes its output", async () => {
    const folder = mkdtempSync(join(tmpdir(), "omniai-wedge-"));
    const pipe = join(folder, "output");
    execFileSync("mkfifo", [pipe]);
    const output = openSync(pipe, "r+");
    try {
      const wedge = new URL("../support/wedge.ts", import.meta.url).pathname;
      const child = spawn(process.execPath, [wedge, "full"], { stdio: ["ignore", output, "inherit"] });
      children.add(child);
      const began = Date.now();
      const [, signal] = (await once(child, "exit")) as unknown[];
      assert.equal(signal, "SIGKILL");
      const ms = Date.now() - began;
      assert.ok(ms > 1500 && ms < 30_000, `${ms} ms`);
    } finally {
      closeSync(output);
      rmSync(folder, { recursive: true });
    }
  });

  it("drops a client that does not read, with bounded memory, and keeps the others", async function () {
    this.timeout(120_000);
    const { admin } = await testServers();
    await admin.configSet("appendfsync", "always");
    const instance = await startInstance({ OMNIAI_EVENT_RETENTION: "1000" });
    try {
      const reader = await new SseClient(`${instance.url}/api/events`).joined();
      const socket = connectSocket(instance.port, "127.0.0.1");
      socket.on("error", () => undefined);
      socket.write("GET /api/events HTTP/1.1\r\nHost: x\r\n\r\n");
      socket.pause();
      await eventually("both open", () => instance.streams.size === 2);
      const data = "x".repeat(16_000);
      let peak = 0;
      let sent = 0;
      /** What was acknowledged: a slow disk may cost an event its answer. */
      const ids: string[] = [];
      while (instance.streams.size === 2 && sent < 3000) {
        const posted = await Promise.all(
          Array.from({ length: 20 }, () => post(instance, { type: "big", data })),
        );
        ids.push(...posted.filter(({ status }) => status === 201).map(({ id }) => id));
        sent += 20;
        for (const stream of instance.streams) peak = Math.max(peak, stream.queuedBytes);
      }
      assert.equal(instance.streams.size, 1, `dropped after ${sent} events`);
      // One batch, and what stood there before.
      assert.ok(peak < 2 * BATCH_BYTES, `${peak} bytes queued`);
      await reader.until("the reader has all", ({ published }) => {
        const got = new Set(published.map(({ id }) => id));
        return ids.every((id) => got.has(id));
      });
      reader.close();
      socket.destroy();
    } finally {
      await admin.configSet("appendfsync", "everysec");
      await instance.stop();
    }
  });

  it("drops a client that takes nothing for too long", async () => {
    const { admin } = await testServers();
    await admin.configSet("appendfsync", "always");
    const instance = await startInstance({
      OMNIAI_STREAM_BACKLOG_BYTES: "1073741824",
      OMNIAI_STREAM_STALL_SECONDS: "0.5",
    });
    try {
      const socket = connectSocket(instance.port, "127.0.0.1");
      socket.on("error", () => undefined);
      socket.write("GET /api/events HTTP/1.1\r\nHost: x\r\n\r\n");
      socket.pause();
      await eventually("open", () => instance.streams.size === 1);
      const data = "x".repeat(30_000);
      for (let sent = 0; instance.streams.size === 1 && sent < 800; sent += 20) {
        await Promise.all(Array.from({ length: 20 }, () => post(instance, { type: "big", data })));
      }
      await eventually("dropped", () => instance.streams.size === 0);
      socket.destroy();
    } finally {
      await admin.configSet("appendfsync", "everysec");
      await instance.stop();
    }
  });
});
