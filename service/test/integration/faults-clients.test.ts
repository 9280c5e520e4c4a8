/** Clients that read slowly or send too much. */
import { strict as assert } from "node:assert";
import { once } from "node:events";
import { request } from "node:http";
import { connect as connectSocket, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { eventually, post, statusOf } from "../support/instance.ts";
import { memoryOf, startProcess, type Process } from "../support/process.ts";
import { testServers } from "../support/servers.ts";
import { SseClient } from "../support/sse.ts";

const MEBIBYTE = 1024 * 1024;
/** What an idle process' memory goes up and down by, and what the garbage collector leaves until it has to run. */
const SLACK_BYTES = 80 * MEBIBYTE;

/** A stream whose client takes `bytesASecond`, like a phone at the edge of its network. */
function slowStream(port: number, bytesASecond: number): Socket {
  const socket = connectSocket({ port, host: "127.0.0.1" });
  socket.on("error", () => undefined);
  socket.on("data", (chunk) => {
    socket.pause();
    setTimeout(() => socket.resume(), (chunk.length / bytesASecond) * 1000);
  });
  socket.write("GET /api/events HTTP/1.1\r\nHost: x\r\n\r\n");
  return socket;
}

describe("clients that misbehave", function () {
  this.timeout(120_000);
  let service: Process;

  before(async function () {
    this.timeout(120_000);
    const { admin } = await testServers();
    await admin.configSet("appendfsync", "always");
    service = await startProcess({ OMNIAI_LOG_LEVEL: "info" });
  });
  after(async () => {
    await (await testServers()).admin.configSet("appendfsync", "everysec");
    service?.child.kill("SIGTERM");
    if (service) assert.deepEqual(await service.exit, [0, null]);
  });

  it("drops one that reads 10,000 bytes a second, with flat memory, and does not disturb the others", async () => {
    const reader = await new SseClient(`${service.url}/api/events`).joined();
    const slow = slowStream(Number(new URL(service.url).port), 10_000);
    await eventually("both open", async () => {
      const body = (await (await fetch(`${service.url}/api/diag/connections`)).json()) as { streams: number };
      return body.streams === 2;
    });
    // Warm: what the first big events cost once is not what a slow client costs.
    const data = "x".repeat(16_000);
    for (let n = 0; n < 20; n++) await post(service, { type: "big", data });
    const before = await memoryOf(service);
    let sent = 20;
    let peak = 0;
    /** What was acknowledged: a slow disk may cost an event its answer. */
    const ids: string[] = [];
    const started = Date.now();
    const closedLines = () => service.lines.filter(({ msg }) => msg === "stream closed").length;
    while (closedLines() === 0 && Date.now() - started < 60_000) {
      const posted = await Promise.all(Array.from({ length: 5 }, () => post(service, { type: "big", data })));
      ids.push(...posted.filter(({ status }) => status === 201).map(({ id }) => id));
      sent += 5;
      if (sent % 50 === 0) peak = Math.max(peak, (await memoryOf(service)) - before);
      await sleep(10);
    }
    assert.equal(closedLines(), 1, `dropped after ${sent} events`);
    const [closed] = service.lines.filter(({ msg }) => msg === "stream closed");
    assert.match((closed as { reason?: string }).reason ?? "", /^(slow|stalled)$/);
    assert.ok(peak < SLACK_BYTES, `${Math.round(peak / MEBIBYTE)} MiB more`);
    await reader.until("the other one has all", ({ published }) => {
      const got = new Set(published.map(({ id }) => id));
      return ids.every((id) => got.has(id));
    });
    assert.equal(reader.endedAt, 0);
    reader.close();
    slow.destroy();
  });

  it("answers 413 at the beginning of a body of 1 GB, with flat memory, with and without Content-Length", async () => {
    const total = 1_000_000_000;
    const part = Buffer.alloc(MEBIBYTE, "x");
    for (const isTold of [true, false]) {
      const before = await memoryOf(service);
      const headers = { "content-type": "application/json", ...(isTold ? { "content-length": total } : {}) };
      const asked = request(`${service.url}/api/events`, { method: "POST", headers });
      let isOver = false;
      let goOn: () => void = () => undefined;
      asked.on("drain", () => goOn());
      for (const event of ["error", "close"]) {
        asked.on(event, () => {
          isOver = true;
          goOn();
        });
      }
      let sent = 0;
      let sentAtAnswer = -1;
      let peak = 0;
      const answered = once(asked, "response").then(([response]) => {
        sentAtAnswer = sent;
        return response as { statusCode: number; headers: Record<string, string>; resume: () => void };
      });
      asked.write('{"type":"x","data":"');
      while (sent + part.length < total && !isOver) {
        const { promise, resolve } = Promise.withResolvers<void>();
        goOn = resolve;
        if (!asked.write(part)) await promise;
        sent += part.length;
        if (sent % (64 * MEBIBYTE) === 0) peak = Math.max(peak, (await memoryOf(service)) - before);
      }
      const response = await answered;
      peak = Math.max(peak, (await memoryOf(service)) - before);
      response.resume();
      asked.destroy();
      assert.equal(response.statusCode, 413);
      assert.match(response.headers["content-type"] ?? "", /^application\/problem\+json/);
      // What the kernels' buffers took before the answer could come.
      assert.ok(sentAtAnswer >= 0 && sentAtAnswer < 64 * MEBIBYTE, `after ${sentAtAnswer} bytes`);
      assert.ok(peak < SLACK_BYTES, `${Math.round(peak / MEBIBYTE)} MiB more`);
      assert.equal(await statusOf(`${service.url}/readyz`), 200);
      assert.equal((await post(service, { type: "after", data: 1 })).status, 201);
    }
  });
});
