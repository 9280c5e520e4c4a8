/** What one client can do to a replica with streams that it does not read, and what those get who do. */
import { strict as assert } from "node:assert";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { follow, type Follower } from "../../../test/support/follower.ts";
import { formatPosition } from "../../src/events/log/cursor.ts";
import { RedisEventLog } from "../../src/events/log/redis-log.ts";
import { loadConfig } from "../../src/platform/env/config.ts";
import { createLogger } from "../../src/platform/logging.ts";
import { RedisLink } from "../../src/platform/redis.ts";
import { eventually, testEnvironment } from "../support/instance.ts";
import { startProcess, type Process } from "../support/process.ts";

const MEBIBYTE = 1024 * 1024;
/** The least that a stack may give to a replica. */
const LIMIT_BYTES = 192 * MEBIBYTE;

describe("a replica with streams that nobody reads", function () {
  this.timeout(180_000);
  let replica: Process;
  let log: RedisEventLog;
  let link: RedisLink;
  const readers: Follower[] = [];
  const deaf: Socket[] = [];

  before(async function () {
    this.timeout(120_000);
    const environment = await testEnvironment();
    const { events, redis } = loadConfig(environment);
    const logger = createLogger({ level: "silent", replica: "publisher", build: "test" });
    link = new RedisLink(redis, "publisher", logger, { idleMs: 10_000, isPinging: true });
    link.open();
    // A publisher of its own, which sends a burst of 9 MB at once.
    const patient = { ...events, appendDeadlineMs: 20_000, appendBytes: 100 * MEBIBYTE };
    log = new RedisEventLog(patient, redis, link, logger);
    log.open();
    const dockerfile = readFileSync(new URL("../../Dockerfile", import.meta.url), "utf8");
    const flags = /CMD \["node", (.+), "service/.exec(dockerfile)?.[1]?.match(/--[^"]+/g) ?? [];
    assert.equal(flags.length, 2);
    const glibc = dockerfile.match(/\bMALLOC_\w+=\d+/g)?.map((setting) => setting.split("=")) ?? [];
    assert.equal(glibc.length, 2);
    const settings = Object.fromEntries(glibc) as Record<string, string>;
    replica = await startProcess({ NODE_OPTIONS: flags.join(" "), ...settings });
  });
  after(async () => {
    for (const reader of readers) reader.close();
    for (const socket of deaf) socket.destroy();
    log?.close();
    link?.close();
    replica?.child.kill("SIGTERM");
    await replica?.exit;
  });

  /** Again with the same key where a slow disk did not let Redis say in time that it has the event. */
  async function publish(data: string): Promise<string> {
    const event = { topic: "public.default", type: "burst", data: JSON.stringify(data) };
    const key = randomUUID();
    for (;;) {
      const position = await log.append(event, key).catch(() => undefined);
      if (position) return formatPosition(position);
    }
  }

  /** All that is published meanwhile comes to the replica at once, as when it was busy. */
  async function whileItStands(work: () => Promise<void>): Promise<void> {
    replica.child.kill("SIGSTOP");
    try {
      await work();
    } finally {
      replica.child.kill("SIGCONT");
    }
  }

  it("survives bursts of large events, each stream with a filter of its own; readers get all of them once", async () => {
    const port = Number(new URL(replica.url).port);
    for (let n = 0; n < 20; n++) {
      const socket = connect(port, "127.0.0.1");
      socket.on("error", () => undefined);
      socket.write(`GET /api/events?topics=public.*,public.deaf${n} HTTP/1.1\r\nHost: x\r\n\r\n`);
      deaf.push(socket);
    }
    for (let n = 0; n < 60; n++)
      readers.push(follow(`${replica.url}/api/events?topics=public.*,public.reader${n}`));
    await eventually("all follow", () => readers.every(({ isLive }) => isLive));
    const posted: string[] = [];
    for (let burst = 0; burst < 2; burst++) {
      // Among small ones: the reader of the log asks for many.
      for (let n = 0; n < 12; n++) posted.push(await publish("small"));
      await whileItStands(async () => {
        posted.push(await publish("small"));
        const large = "x".repeat(30_000);
        posted.push(...(await Promise.all(Array.from({ length: 300 }, () => publish(large)))));
      });
    }
    await eventually(
      "every reader has all of it, or the replica is gone",
      () => replica.child.exitCode !== null || replica.child.signalCode !== null || haveAll(posted),
      120_000,
    );
    assert.deepEqual([replica.child.exitCode, replica.child.signalCode], [null, null], "it was killed");
    for (const { ids } of readers) assert.equal(new Set(ids).size, ids.length, "nothing twice");
    const status = readFileSync(`/proc/${replica.child.pid}/status`, "utf8");
    const peak = Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1]) * 1024;
    assert.ok(peak < LIMIT_BYTES, `${Math.round(peak / MEBIBYTE)} MiB`);
  });

  function haveAll(posted: readonly string[]): boolean {
    return readers.every(({ ids }) => {
      if (ids.length < posted.length) return false;
      const seen = new Set(ids);
      return posted.every((id) => seen.has(id));
    });
  }
});
