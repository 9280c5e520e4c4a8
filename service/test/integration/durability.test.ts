/** What is promised of appends: all of a batch is on disk, or nobody was told so. */
import { strict as assert } from "node:assert";
import { pino } from "pino";
import { AppendBatches } from "../../src/events/log/append-batches.ts";
import type { Script } from "../../src/events/log/redis-scripts.ts";
import { RedisLink } from "../../src/platform/redis.ts";
import { createHash } from "node:crypto";
import { testServers, type Servers } from "../support/servers.ts";
import { eventually } from "../support/wait.ts";

const KEY = "omniai:test-batches";
const TEXT = "return redis.call('RPUSH', KEYS[1], ARGV[1])";
const script: Script = { text: TEXT, sha: createHash("sha1").update(TEXT).digest("hex") };

describe("appends in batches", function () {
  this.timeout(120_000);
  let servers: Servers;
  let links: RedisLink[];
  let batches: AppendBatches;

  const push = (value: string, ms = 20_000): Promise<unknown> => batches.run(ms, [KEY], [value]);
  const stored = (): Promise<string[]> => servers.admin.lRange(KEY, 0, -1);

  before(async () => {
    servers = await testServers();
  });
  beforeEach(() => {
    links = [1, 2].map(
      (number) =>
        new RedisLink(
          { url: `redis://127.0.0.1:${servers.redis.port}`, username: undefined, password: undefined },
          `batches${number}`,
          pino({ level: "silent" }),
          { idleMs: 3000, isPinging: true },
        ),
    );
    batches = new AppendBatches(links, script, 50);
  });
  afterEach(async () => {
    for (const link of links) link.close();
    await servers.admin.del(KEY);
  });
  const connected = async (): Promise<void> => {
    for (const link of links) link.open();
    await eventually("connected", () => links.every(({ isReady }) => isReady));
  };

  it("waits for a connection, as long as the append may take, and sends nothing after that", async () => {
    const patient = push("patient");
    await assert.rejects(push("impatient", 200), /no connection was free/);
    links[0]?.open();
    assert.equal(await patient, 1);
    assert.deepEqual(await stored(), ["patient"]);
  });

  it("gives each append its own reply, in order, also where Redis does not know the script yet", async () => {
    await connected();
    await servers.admin.scriptFlush();
    const values = Array.from({ length: 100 }, (_, index) => `${index}`);
    const replies = await Promise.all(values.map((value) => push(value)));
    assert.deepEqual(
      replies,
      values.map((_, index) => index + 1),
    );
    assert.deepEqual(await stored(), values);
  });

  it("fails the append that Redis refuses, and no other of its batch", async () => {
    await connected();
    await servers.admin.set(`${KEY}-text`, "no list");
    const [wrong, right] = await Promise.allSettled([
      batches.run(5000, [`${KEY}-text`], ["x"]),
      push("right"),
    ]);
    await servers.admin.del(`${KEY}-text`);
    assert.match(String(wrong.status === "rejected" && wrong.reason), /WRONGTYPE/);
    assert.equal(right.status, "fulfilled");
  });

  it("shares one wait for the disk between all that come while one is under way", async () => {
    await connected();
    await push("first");
    const before = await syncs();
    await Promise.all(Array.from({ length: 200 }, (_, index) => push(`${index}`)));
    const shared = (await syncs()) - before;
    assert.ok(shared >= 1 && shared < 40, `${shared} waits for 200 appends`);
  });

  it("acknowledges nothing that a Redis lost which was killed before the disk", async () => {
    await servers.admin.configSet("appendfsync", "always");
    await connected();
    const acknowledged: string[] = [];
    let isOver = false;
    const writers = Array.from({ length: 8 }, async (_, writer) => {
      for (let n = 0; !isOver; n++) {
        const value = `${writer}-${n}`;
        await push(value, 1000).then(
          () => acknowledged.push(value),
          () => new Promise((resolve) => setTimeout(resolve, 20)),
        );
      }
    });
    try {
      await eventually("some are acknowledged", () => acknowledged.length > 100);
      await servers.redis.crash();
      await eventually("Redis is back", () =>
        servers.redis.exec("redis-cli", "ping").then(
          (said) => said === "PONG",
          // It is not there yet.
          () => false,
        ),
      );
      const until = acknowledged.length;
      await eventually("appends go on", () => acknowledged.length > until + 10);
    } finally {
      isOver = true;
      await Promise.all(writers);
    }
    const kept = new Set(await stored());
    assert.deepEqual(
      acknowledged.filter((value) => !kept.has(value)),
      [],
    );
    // The crash has put it back to what the server was started with.
    assert.equal((await servers.admin.configGet("appendfsync")).appendfsync, "everysec");
  });

  /** How often Redis was asked to wait for the disk. */
  async function syncs(): Promise<number> {
    const info = await servers.admin.info("commandstats");
    return Number(/cmdstat_waitaof:calls=(\d+)/.exec(info)?.[1] ?? 0);
  }
});
