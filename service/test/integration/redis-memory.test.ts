/** The memory of Redis, and of a replica, under the largest events. */
import { strict as assert } from "node:assert";
import { createClient } from "redis";
import { planCacheMemory } from "../../../infra/components/cache/memory.ts";
import { renderRedisConfig, SERVICE_RULES } from "../../../infra/components/cache/redis.ts";
import { loadConfig } from "../../src/platform/env/config.ts";
import { Backlog } from "../../src/events/stream/backlog.ts";
import { Hub } from "../../src/events/stream/hub.ts";
import { LogReader } from "../../src/events/stream/reader.ts";
import { RecentEvents } from "../../src/events/stream/recent.ts";
import { keys, RedisEventLog } from "../../src/events/log/redis-log.ts";
import { createLogger } from "../../src/platform/logging.ts";
import { RedisLink } from "../../src/platform/redis.ts";
import { addUser, ask, bearer, endedAfter, loginTokens, Page, startAuth } from "../support/auth.ts";
import { docker, TestServer, testServers } from "../support/servers.ts";
import { eventually } from "../support/wait.ts";

const logger = createLogger({ level: "silent", replica: "", build: "" });
/** The least that config allows: what fits here fits everywhere. */
const MEMORY = 64;
const BUDGET = planCacheMemory(MEMORY).eventLog;

/** Redis with the deployed settings and the deployed memory limit. */
function startRedis(): Promise<TestServer> {
  const settings = renderRedisConfig(MEMORY)
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#") && !/^(aclfile|dir|logfile) /.test(line))
    .flatMap((line) => {
      const [name = "", ...values] = line.split(" ");
      return [`--${name}`, ...values];
    });
  return TestServer.start(
    "redis-small",
    6379,
    [
      "--memory",
      `${MEMORY}m`,
      "--memory-swap",
      `${MEMORY}m`,
      process.env.OMNIAI_TEST_REDIS_IMAGE ?? "redis:8",
    ],
    ["redis-server", ...settings, "--user", "service", "on", ">test", ...SERVICE_RULES],
  );
}

describe("the event log in a Redis with as little memory as there may be", function () {
  this.timeout(120_000);
  let redis: TestServer;
  let admin: ReturnType<typeof createClient>;
  const links: RedisLink[] = [];
  const logs: RedisEventLog[] = [];

  const openLog = (extra: Record<string, string> = {}): RedisEventLog => {
    const config = loadConfig({
      OMNIAI_REDIS_URL: `redis://127.0.0.1:${redis.port}`,
      OMNIAI_REDIS_USERNAME: "service",
      OMNIAI_REDIS_PASSWORD_FILE: new URL("../support/password.txt", import.meta.url).pathname,
      OMNIAI_EVENT_LOG_BYTES: String(BUDGET),
      ...extra,
    });
    const link = new RedisLink(config.redis, "small", logger, { idleMs: 3000, isPinging: true });
    // What is late on a slow disk counts for a moment longer, beside what is tried again.
    const events = { ...config.events, appendBytes: 100_000_000 };
    const log = new RedisEventLog(events, config.redis, link, logger);
    link.open();
    log.open();
    links.push(link);
    logs.push(log);
    return log;
  };
  const hasAnswered = async (log: RedisEventLog): Promise<boolean> =>
    log.append({ topic: "public.up", type: "up", data: "0" }, "up").then(
      () => true,
      () => false,
    );
  const isKilled = async (): Promise<string> =>
    docker("inspect", "--format", "{{.State.OOMKilled}}", redis.name);
  /** Ids of what was acknowledged. */
  const fill = async (log: RedisEventLog, bytes: number, size: number): Promise<string[]> => {
    const data = JSON.stringify("x".repeat(size - 2));
    const ids: string[] = [];
    await Promise.all(
      Array.from({ length: 100 }, async () => {
        for (let sent = 0; sent < bytes / 100;) {
          // On a slow disk some are not acknowledged in time: they may be there, and nothing is promised of them.
          const position = await log.append({ topic: "public.x", type: "t", data }).catch(() => undefined);
          if (!position) continue;
          ids.push(position.id);
          sent += size;
        }
      }),
    );
    return ids;
  };

  before(async () => {
    await testServers();
    redis = await startRedis();
    admin = createClient({ url: `redis://127.0.0.1:${redis.port}` });
    admin.on("error", () => undefined);
    await eventually("Redis", () => redis.exec("redis-cli", "ping").then(() => true), 30_000);
    await admin.connect();
  });
  afterEach(() => {
    for (const each of [...logs.splice(0), ...links.splice(0)]) each.close();
  });
  after(async () => {
    admin?.destroy();
    await redis?.remove();
  });

  for (const size of [30_000, 32_768]) {
    it(`filled with events of ${size} bytes: room is left for sessions, and it comes up again with all of them`, async () => {
      const log = openLog();
      await eventually("an append", () => hasAnswered(log));
      let refused = 0;
      let written = 0;
      const sessions = setInterval(() => {
        admin.set(`omniai:test-session:${written}`, "s".repeat(400)).then(
          () => written++,
          () => refused++,
        );
      }, 5);
      const ids = await fill(log, 3 * BUDGET, size);
      clearInterval(sessions);
      assert.equal(refused, 0, "a session was refused");
      assert.ok(written > 20);
      const { first, length, bytes } = await log.state();
      assert.ok(bytes <= BUDGET && bytes > BUDGET / 2, String(bytes));
      assert.ok(length * size < BUDGET);
      await admin.bgRewriteAof().catch(() => undefined);
      await redis.crash();
      // All that have a part in it at once: two replicas begin to follow, and somebody appends.
      const followers = [openLog(), openLog()].map((each) => {
        const hub = new Hub(new RecentEvents(2048, 4_194_304), new Backlog(1e6, []));
        const options = { blockMs: 200, coalesceMs: 0, preload: 512, preloadBytes: 4_194_304 };
        return { hub, reader: new LogReader(each, hub, options, logger) };
      });
      for (const { reader } of followers) reader.start();
      const next = openLog();
      await eventually("followed", () => followers.every(({ hub }) => hub.position !== undefined));
      await eventually("an append", () => hasAnswered(next));
      assert.equal(await isKilled(), "false");
      const kept = new Set<string>();
      for (let from = "-"; ;) {
        const part = (await admin.xRange(keys.stream, from, "+", { COUNT: 50 })) ?? [];
        for (const { id } of part) kept.add(id);
        if (part.length < 50) break;
        from = `(${part.at(-1)?.id}`;
      }
      const [ms = 0, sequence = 0] = (first ?? "").split("-").map(Number);
      const isKept = (id: string): boolean => {
        const [its = 0, number = 0] = id.split("-").map(Number);
        return its > ms || (its === ms && number >= sequence);
      };
      assert.deepEqual(
        ids.filter((id) => isKept(id) && !kept.has(id)),
        [],
        "acknowledged, and gone",
      );
      const stopped = followers.map(({ reader }) => reader.stop());
      for (const each of logs) each.close();
      await Promise.all(stopped);
    });
  }

  it("measures what another version has left there, makes room, and counts on from it", async () => {
    await admin.flushAll();
    const epoch = "aaaaaaaaaa";
    let n = 0;
    // As a version without a budget appends: nothing is counted.
    for (; n < 700; n++)
      await admin.xAdd(keys.stream, "*", {
        e: epoch,
        n: String(n + 1),
        t: "public.x",
        y: "t",
        d: "x".repeat(30_000),
      });
    await admin.hSet(keys.meta, { epoch, count: String(n) });
    const log = openLog();
    await eventually("an append", () => hasAnswered(log));
    const { bytes, length, count, last } = await log.state();
    assert.equal(count, n + 1);
    assert.ok(bytes <= BUDGET && bytes > BUDGET / 2, `${bytes} bytes`);
    assert.ok(length > 300 && length < 560, `${length} kept`);
    const { entries } = await log.tail(10, 1_000_000);
    assert.deepEqual(
      entries.map(({ number }) => number),
      Array.from({ length: 10 }, (_, index) => n - 8 + index),
    );
    assert.equal(entries.at(-1)?.id, last);
    await fill(log, BUDGET, 30_000);
    const taken = (await admin.memoryUsage(keys.stream, { SAMPLES: 0 })) ?? Infinity;
    assert.ok(taken < 1.4 * BUDGET, `${taken} bytes`);
    assert.equal(await isKilled(), "false");
  });

  it("never drops all at once what another version has left, be its newest entries the largest", async () => {
    await admin.flushAll();
    const epoch = "bbbbbbbbbb";
    const put = async (n: number, size: number): Promise<void> => {
      const fields = { e: epoch, n: String(n), t: "public.x", y: "t", d: "x".repeat(size) };
      await admin.xAdd(keys.stream, "*", fields);
    };
    let n = 0;
    // Over the budget, and most of it in the last quarter of the entries.
    while (n < 900) await put(++n, 3000);
    while (n < 1200) await put(++n, Math.floor((1.2 * BUDGET) / 300));
    await admin.hSet(keys.meta, { epoch, count: String(n) });
    const log = openLog();
    await eventually("an append", () => hasAnswered(log));
    let least = (await log.state()).bytes;
    for (let round = 0; round < 20; round++) {
      await fill(log, BUDGET / 10, 10_000);
      const { bytes } = await log.state();
      assert.ok(bytes <= BUDGET, `${bytes} bytes`);
      least = Math.min(least, bytes);
    }
    assert.ok(least > BUDGET / 2, `at one time only ${least} of ${BUDGET} bytes were left`);
  });

  it("says how much it takes where the retention trims and not the budget", async () => {
    await admin.flushAll();
    const log = openLog({ OMNIAI_EVENT_RETENTION: "100" });
    await eventually("an append", () => hasAnswered(log));
    await fill(log, BUDGET / 2, 10_000);
    const { bytes, length } = await log.state();
    const real = (await admin.memoryUsage(keys.stream, { SAMPLES: 0 })) ?? 0;
    assert.ok(bytes >= length * 10_000, `${bytes} bytes of ${length} entries`);
    assert.ok(bytes < real + BUDGET / 16, `${bytes} bytes counted, ${real} taken`);
  });

  it("full of other things as well: lets users in and out, and says how full it is", async () => {
    await admin.flushAll();
    const log = openLog();
    await eventually("an append", () => hasAnswered(log));
    await fill(log, 1.2 * BUDGET, 30_000);
    let n = 0;
    /** As sessions do that nobody ends: until there is no room for the smallest one. */
    const fillUp = async (): Promise<void> => {
      for (const size of [20_000, 1000, 100]) {
        const put = (): Promise<boolean> =>
          admin.set(`omniai:other:${n++}`, "s".repeat(size)).then(
            () => true,
            () => false,
          );
        while (await put());
      }
    };
    const environment = {
      OMNIAI_REDIS_URL: `redis://127.0.0.1:${redis.port}`,
      OMNIAI_EVENT_LOG_BYTES: String(BUDGET),
    };
    await fillUp();
    const [one, two] = await Promise.all([startAuth("both", environment), startAuth("both", environment)]);
    try {
      const user = await addUser();
      await fillUp();
      const page = await Page.loggedIn(one, user);
      const stream = await page.at(two).stream(`user.${user.id}.*`);
      const tokens = await loginTokens(one, user);
      await fillUp();
      assert.equal((await page.ask("POST", "/api/auth/logout")).status, 204);
      await endedAfter(stream, performance.now());
      await fillUp();
      assert.equal(await page.at(two).isIn(), false);
      const asOwner = bearer(tokens.accessToken);
      assert.equal((await ask(one, "POST", "/api/auth/logout", { headers: asOwner })).status, 204);
      assert.equal((await ask(two, "GET", "/api/auth/check", { headers: asOwner })).status, 401);
      await fillUp();
      assert.equal((await ask(one, "GET", "/readyz")).status, 200);
      await eventually("the check has seen it", async () => {
        const { body } = await ask({ url: one.internalUrl }, "GET", "/readyz");
        return /Redis uses 9\d(\.\d)? percent|Redis uses 100/.test(JSON.stringify(body));
      });
      const metrics = await (await fetch(`${one.internalUrl}/metrics`)).text();
      assert.ok(Number(/^omniai_redis_memory_used_ratio (\S+)$/m.exec(metrics)?.[1]) > 0.9);
    } finally {
      await Promise.all([one.stop(), two.stop()]);
      await admin.flushAll();
    }
  });
});
