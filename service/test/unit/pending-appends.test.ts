/** What is on its way into the log when nobody waits for it any longer. */
import { strict as assert } from "node:assert";
import { pino } from "pino";
import { LogUnavailableError } from "../../src/events/log/log.ts";
import { RedisEventLog } from "../../src/events/log/redis-log.ts";
import { loadConfig } from "../../src/platform/env/config.ts";
import { RedisLink } from "../../src/platform/redis.ts";
import { FakeRedis } from "../support/fake-redis.ts";
import { eventually } from "../support/wait.ts";

describe("appends to a Redis that is silent", () => {
  const logger = pino({ level: "silent" });
  // One character that is not Latin, so that all of them take two bytes in memory.
  const event = { topic: "public.x", type: "t", data: JSON.stringify(`ж${"x".repeat(32_000)}`) };
  let server: FakeRedis;
  let link: RedisLink;
  let log: RedisEventLog;

  beforeEach(async () => {
    server = await FakeRedis.start();
    const { events } = loadConfig({ OMNIAI_APPEND_DEADLINE_SECONDS: "0.2" });
    const redis = { url: server.url, username: undefined, password: undefined };
    link = new RedisLink(redis, "test", logger, { idleMs: 10_000, isPinging: false });
    log = new RedisEventLog(events, redis, link, logger);
    link.open();
    log.open();
    await eventually("connected", () => link.isReady && server.connections === 6);
  });
  afterEach(async () => {
    log.close();
    link.close();
    await server.close();
  });

  it("are bounded in bytes until they are over, however early their callers give up", async () => {
    server.stall();
    let refused = 0;
    const outcomes = Array.from({ length: 400 }, () =>
      log.append(event).catch((error: unknown) => {
        assert.ok(error instanceof LogUnavailableError);
        if (error.message.includes("too many")) refused++;
      }),
    );
    await new Promise(setImmediate);
    // A replica's heap is 72 MiB, and this takes 25.
    assert.ok(refused > 250, `${400 - refused} of 32 KB are held`);
    await Promise.all(outcomes);
    await assert.rejects(log.append(event), /too many appends wait/, "its caller gave up, Redis did not");
    const accepted = (): Promise<boolean> =>
      log.append(event).then(
        () => true,
        (error: unknown) => !String(error).includes("too many"),
      );
    await eventually("given up for good", accepted);
  });
});
