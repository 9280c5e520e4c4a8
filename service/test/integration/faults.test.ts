/** Redis and PostgreSQL that are silent, gone or full. */
import { strict as assert } from "node:assert";
import { setTimeout as sleep } from "node:timers/promises";
import {
  eventually,
  measured,
  ownAppendDeadline,
  post,
  startInstance,
  statusOf,
  type Instance,
} from "../support/instance.ts";
import { loggedIds, testServers, type Servers } from "../support/servers.ts";
import { SseClient } from "../support/sse.ts";

describe("faults of the servers below", function () {
  this.timeout(120_000);
  let servers: Servers;
  let instance: Instance;
  const clients: SseClient[] = [];
  const connect = (query = ""): SseClient => {
    const client = new SseClient(`${instance.url}/api/events${query}`);
    clients.push(client);
    return client;
  };
  const readiness = (): Promise<number> => statusOf(`${instance.internalUrl}/readyz`);
  /** An event of another kind than what is tried: where the disk is slow it is sent again. */
  const stored = async (event: { type: string; data: unknown }): ReturnType<typeof post> => {
    let answer = await post(instance, event);
    await eventually(`${event.type} is stored`, async () => {
      if (answer.status === 503) answer = await post(instance, event);
      return answer.status === 201;
    });
    return answer;
  };
  const liveness = (): Promise<number> => statusOf(`${instance.internalUrl}/healthz`);

  before(async function () {
    this.timeout(120_000);
    servers = await testServers();
    instance = await startInstance(ownAppendDeadline);
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    await eventually("ready again", async () => (await readiness()) === 200);
  });
  after(() => instance?.stop());

  it("survives a paused Redis: 503 with Retry-After within 2 s, streams stay, then everything goes on", async () => {
    const client = await connect().joined();
    const before = await stored({ type: "before", data: 1 });
    await servers.redis.pause();
    try {
      const { result: failed, lateMs } = await measured(async () => {
        const first = await Promise.all([1, 2, 3].map((data) => post(instance, { type: "during", data })));
        // The next ones do not even wait: the connection is known to be dead.
        await sleep(300);
        return [...first, await post(instance, { type: "during", data: 4 })];
      });
      for (const { status, retryAfter, ms } of failed) {
        assert.equal(status, 503);
        assert.ok(Number(retryAfter) >= 1, `Retry-After: ${retryAfter}`);
        assert.ok(ms < 2000 + lateMs, `${ms} ms, ${lateMs} ms late`);
      }
      await eventually("not ready", async () => (await readiness()) === 503);
      assert.equal(await liveness(), 200);
      const beats = client.parser.comments;
      await client.until("heartbeats go on", ({ parser }) => parser.comments > beats + 1);
      const late = connect(`?last_event_id=${before.id}`);
      await late.until("a new stream opens too", ({ parser }) => parser.comments > 0);
    } finally {
      await servers.redis.unpause();
    }
    await eventually(
      "posts again",
      async () => (await post(instance, { type: "after", data: 1 })).status === 201,
    );
    for (const each of clients) {
      await each.until("what came after", ({ published }) =>
        published.some(({ event }) => event === "after"),
      );
      assert.deepEqual(each.resets, []);
    }
    const ids = client.published.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length, "no duplicates");
  });

  it("loses no acknowledged event when Redis is killed and comes back", async () => {
    const client = await connect().joined();
    const acknowledged = new Set<string>();
    let isOver = false;
    const publishers = [0, 1, 2, 3].map(async (publisher) => {
      for (let i = 0; !isOver; i++) {
        const { status, id } = await post(instance, { type: "n", data: `${publisher}/${i}` });
        assert.ok(status === 201 || status === 503, String(status));
        if (status === 201) acknowledged.add(id);
        else await sleep(100);
      }
    });
    await eventually("some are acknowledged", () => acknowledged.size > 4);
    await servers.redis.crash();
    const sofar = acknowledged.size;
    await eventually("acknowledges again", () => acknowledged.size > sofar + 4);
    isOver = true;
    await Promise.all(publishers);
    const logged = new Set(await loggedIds(servers));
    for (const id of acknowledged) assert.ok(logged.has(id), `${id} was acknowledged and is gone`);
    await client.until("all of them", ({ published }) => {
      const got = new Set(published.map(({ id }) => id));
      return [...acknowledged].every((id) => got.has(id));
    });
    const ids = client.published.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length, "no duplicates");
    assert.deepEqual(client.resets, []);
  });

  it("does not acknowledge what is not on disk", async () => {
    await servers.admin.configSet("appendonly", "no");
    try {
      const { status, retryAfter } = await post(instance, { type: "volatile", data: 1 });
      assert.equal(status, 503);
      assert.ok(Number(retryAfter) >= 1);
    } finally {
      await servers.admin.configSet("appendonly", "yes");
      // Behind a snapshot that is being written it only waits for its turn.
      await eventually("rewritten", async () => {
        const info = await servers.admin.info("persistence");
        return ["aof_rewrite_scheduled:0", "aof_rewrite_in_progress:0"].every((line) => info.includes(line));
      });
    }
    await stored({ type: "kept", data: 1 });
  });

  it("makes room when Redis is full", async () => {
    for (let i = 0; i < 20; i++) await servers.admin.xAdd("omniai:events:log", "*", { filler: "x" });
    const fill = async (): Promise<void> => {
      const used = Number(/^used_memory:(\d+)/m.exec(await servers.admin.info("memory"))?.[1]);
      await servers.admin.configSet("maxmemory", String(used - 1000));
    };
    const length = (): Promise<number> => servers.admin.xLen("omniai:events:log");
    try {
      await eventually("trimmed", async () => {
        // What the buffers of a client took may be free again by then, and an event finds room: so it is filled once more.
        await fill();
        const before = await length();
        const { status } = await post(instance, { type: "squeezed", data: 1 });
        assert.ok(status === 201 || status === 503, String(status));
        return (await length()) < before;
      });
    } finally {
      await servers.admin.configSet("maxmemory", "512mb");
    }
    await stored({ type: "roomy", data: 1 });
  });

  it("stays alive, not ready, with its streams, while PostgreSQL is paused", async () => {
    const client = await connect().joined();
    await servers.postgres.pause();
    try {
      await eventually("not ready", async () => (await readiness()) === 503);
      assert.equal(await liveness(), 200);
      assert.equal(await statusOf(`${instance.url}/readyz`), 503);
      const started = performance.now();
      const { result: diag, lateMs } = await measured(
        async () =>
          (await (await fetch(`${instance.url}/api/diag`)).json()) as { database: { status: string } },
      );
      assert.equal(diag.database.status, "fail");
      assert.ok(performance.now() - started < 2500 + lateMs);
      const { id } = await stored({ type: "still", data: 1 });
      await client.until("events", ({ published }) => published.at(-1)?.id === id);
    } finally {
      await servers.postgres.unpause();
    }
  });

  it("starts without PostgreSQL and Redis, and becomes ready when they come", async () => {
    await Promise.all([servers.redis.pause(), servers.postgres.pause()]);
    const early = await startInstance(ownAppendDeadline, { waits: false });
    try {
      assert.equal(await statusOf(`${early.internalUrl}/healthz`), 200);
      assert.equal(await statusOf(`${early.internalUrl}/readyz`), 503);
      assert.equal(await statusOf(`${early.internalUrl}/startupz`), 503);
      assert.equal((await post(early, { type: "early", data: 1 })).status, 503);
      const client = new SseClient(`${early.url}/api/events`);
      clients.push(client);
      await client.until("heartbeats", ({ parser }) => parser.comments > 2);
      await Promise.all([servers.redis.unpause(), servers.postgres.unpause()]);
      await eventually("ready", () => early.isReady());
      assert.equal(await statusOf(`${early.internalUrl}/startupz`), 200);
      await client.joined();
      const { id } = await post(early, { type: "late", data: 1 });
      await client.until("the event", ({ published }) => published.at(-1)?.id === id);
    } finally {
      await early.stop();
    }
  });

  it("checks out of step with other replicas", async () => {
    const other = await startInstance();
    const seen = [instance, other].map(() => new Set<string>());
    // As many as a quiet machine makes in a few seconds.
    while (seen.some((times) => times.size < 10)) {
      for (const [index, { internalUrl }] of [instance, other].entries()) {
        const { checks } = (await (await fetch(`${internalUrl}/readyz`)).json()) as {
          checks: Record<string, { time: string }[]>;
        };
        seen[index]?.add(checks["database:responseTime"]?.[0]?.time ?? "");
      }
      await sleep(20);
    }
    await other.stop();
    const [a = [], b = []] = seen.map((times) => [...times].map((time) => Date.parse(time)));
    for (const times of [a, b]) {
      const gaps = times.slice(1).map((time, i) => time - (times[i] ?? 0));
      assert.ok(Math.max(...gaps) - Math.min(...gaps) > 40, `gaps vary: ${gaps.join(" ")}`);
    }
    const nearest = a.map((time) => Math.min(...b.map((each) => Math.abs(each - time))));
    assert.ok(nearest.filter((ms) => ms > 15).length >= a.length / 3, `apart by ${nearest.join(" ")} ms`);
  });
});
