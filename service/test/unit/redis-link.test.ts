/** When a connection to Redis is given up. */
import { strict as assert } from "node:assert";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { DeadlineError } from "../../src/platform/deadline.ts";
import { RedisLink } from "../../src/platform/redis.ts";
import { FakeRedis } from "../support/fake-redis.ts";
import { eventually } from "../support/wait.ts";

describe("a link to Redis", () => {
  let server: FakeRedis;
  let link: RedisLink;
  const ping = (ms: number): Promise<string> => link.run(ms, (client) => client.ping());

  beforeEach(async () => {
    server = await FakeRedis.start();
    const config = { url: server.url, username: undefined, password: undefined };
    link = new RedisLink(config, "test", pino({ level: "silent" }), { idleMs: 10_000, isPinging: false });
    link.open();
    await eventually("connected", () => link.isReady);
  });
  afterEach(async () => {
    link.close();
    await server.close();
  });

  it("is not cut for an impatient command while others wait", async () => {
    server.stall();
    const patient = ping(20_000);
    await assert.rejects(ping(50), DeadlineError);
    await sleep(100);
    server.release();
    assert.equal(await patient, "OK");
    assert.equal(await ping(20_000), "OK");
    assert.equal(server.connections, 1);
  });

  it("stays when an answer comes too late for the one who asked", async () => {
    server.stall();
    const patient = ping(20_000);
    await assert.rejects(ping(50), DeadlineError);
    server.release();
    await patient;
    await sleep(200);
    assert.equal(await ping(20_000), "OK");
    assert.equal(server.connections, 1);
  });

  it("is reopened when nothing was answered until the last waiting command gave up", async () => {
    server.stall();
    const began = performance.now();
    // Each is waited for from its beginning: on a busy machine the one before may be over late.
    const patient = assert.rejects(ping(2000), DeadlineError);
    await assert.rejects(ping(50), DeadlineError);
    // Whoever comes later does not put it off.
    await sleep(50);
    const late = assert.rejects(ping(60_000));
    await patient;
    await late;
    const ms = performance.now() - began;
    // Far from the minute of the last one, however busy the machine is.
    assert.ok(ms > 1990 && ms < 20_000, `${ms} ms`);
    server.release();
    await eventually("connected again", () => link.isReady);
    assert.equal(await ping(20_000), "OK");
  });

  it("is reopened at once when nobody else waits", async () => {
    server.stall();
    await assert.rejects(ping(50), DeadlineError);
    await eventually("another connection", () => server.connections === 2);
  });
});
