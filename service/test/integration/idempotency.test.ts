/** Idempotency keys, over replicas and crashes. */
import { strict as assert } from "node:assert";
import { randomUUID } from "node:crypto";
import { laneOf } from "../../src/events/log/idempotency.ts";
import { eventually, post, startInstance, type Instance, type Posted } from "../support/instance.ts";
import { loggedIds, testServers, type Servers } from "../support/servers.ts";
import { SseClient } from "../support/sse.ts";

const IDEMPOTENCY_KEYS = "omniai:events:once:*";
const LANES = "omniai:events:once-lanes";

describe("Idempotency-Key", function () {
  this.timeout(120_000);
  let servers: Servers;
  let one: Instance;
  let two: Instance;
  const postOnce = (instance: Instance, key: string, data: unknown): Promise<Posted> =>
    post(instance, { type: "once", data }, { "idempotency-key": key });
  const forgetAll = async (): Promise<void> => {
    const { admin } = servers;
    const names = [...(await admin.keys(IDEMPOTENCY_KEYS)), ...(await admin.keys(`${LANES}*`))];
    if (names.length > 0) await admin.del(names);
  };
  const entriesWith = async (data: string): Promise<string[]> => {
    const entries = (await servers.admin.xRange("omniai:events:log", "-", "+")) ?? [];
    return entries.filter(({ message }) => message.d === JSON.stringify(data)).map(({ id }) => id);
  };

  before(async function () {
    this.timeout(120_000);
    servers = await testServers();
    [one, two] = await Promise.all([startInstance(), startInstance()]);
  });
  after(async () => {
    await Promise.all([one?.stop(), two?.stop()]);
  });

  it("gives the same id on any replica, and the log one entry, under concurrency too", async () => {
    const client = await new SseClient(`${one.url}/api/events`).joined();
    const keys = Array.from({ length: 20 }, () => randomUUID());
    const before = (await loggedIds(servers)).length;
    const answers = await Promise.all(
      keys.flatMap((key) =>
        [one, two, one, two].map(async (at) => ({ key, ...(await postOnce(at, key, key)) })),
      ),
    );
    for (const { status } of answers) assert.equal(status, 201);
    const ids = new Map(keys.map((key) => [key, new Set<string>()]));
    for (const { key, id } of answers) ids.get(key)?.add(id);
    for (const each of ids.values()) assert.equal(each.size, 1);
    assert.equal((await loggedIds(servers)).length, before + keys.length);
    await client.until("each once", ({ published }) => published.length >= keys.length);
    assert.equal(new Set(client.published.map(({ id }) => id)).size, client.published.length);
    client.close();
    // Quoted, as the draft has it, and with other spaces in the body: the same.
    const key = String(keys[0]);
    const response = await fetch(`${two.url}/api/events`, {
      method: "POST",
      headers: { "content-type": "application/json", "idempotency-key": `"${key}"` },
      body: `{ "data": "${key}",  "type": "once" }`,
    });
    assert.deepEqual(await response.json(), { id: answers[0]?.id });
  });

  it("is kept for a day", async () => {
    // Those of tests before have been kept for as long as these took.
    const before = new Set(await servers.admin.keys(IDEMPOTENCY_KEYS));
    await postOnce(one, randomUUID(), "ttl");
    const names = (await servers.admin.keys(IDEMPOTENCY_KEYS)).filter((name) => !before.has(name));
    assert.equal(names.length, 1);
    for (const name of names) {
      const ttl = await servers.admin.ttl(name);
      assert.ok(ttl > 86_000 && ttl <= 86_400, String(ttl));
    }
  });

  it("bounds the keys: when there are more than the log keeps events, the oldest go", async () => {
    const { admin } = servers;
    await admin.configSet("appendfsync", "always");
    const small = await startInstance({ OMNIAI_EVENT_RETENTION: "100" });
    try {
      await forgetAll();
      const given = Array.from({ length: 250 }, () => randomUUID());
      for (let from = 0; from < given.length; from += 25) {
        await Promise.all(given.slice(from, from + 25).map((key) => postOnce(small, key, key)));
      }
      assert.equal((await admin.keys(IDEMPOTENCY_KEYS)).length, 100);
      const count = (await loggedIds(servers)).length;
      const newest = String(given.at(-1));
      assert.equal((await postOnce(small, newest, newest)).status, 201);
      assert.equal((await loggedIds(servers)).length, count, "the newest are known");
    } finally {
      await small.stop();
      await admin.configSet("appendfsync", "everysec");
    }
  });

  it("keeps a key that is used again after its day for another day, whatever becomes of its old place", async () => {
    const { admin } = servers;
    await admin.configSet("appendfsync", "always");
    const small = await startInstance({ OMNIAI_EVENT_RETENTION: "100" });
    try {
      await forgetAll();
      const key = randomUUID();
      const many = (count: number): Promise<unknown> =>
        Promise.all(Array.from({ length: count }, randomUUID).map((each) => postOnce(small, each, each)));
      await postOnce(small, key, key);
      await many(50);
      // A day later.
      const [lane = ""] = await admin.keys(`${LANES}:*`);
      const place = (await admin.lIndex(lane, 0)) ?? "";
      assert.equal(await admin.del(place.split(" ")[0] ?? ""), 1);
      const aDayAgo = place.replace(/ \d+$/, ` ${Date.now() - 86_400_000}`);
      await admin.lSet(lane, 0, aDayAgo);
      const { id } = await postOnce(small, key, key);
      // Its old place comes round, the new one does not.
      await many(80);
      assert.equal((await postOnce(small, key, key)).id, id);
      await many(60);
      assert.notEqual((await postOnce(small, key, key)).id, id, "and then it is the oldest");
    } finally {
      await small.stop();
      await admin.configSet("appendfsync", "everysec");
    }
  });

  it("gives the places of an earlier version an end, also of one that ran on beside this one", async () => {
    const ring = "omniai:events:once-ring";
    await postOnce(one, randomUUID(), "first");
    await servers.admin.rPush(ring, "key 1");
    await postOnce(one, randomUUID(), "second");
    const seconds = await servers.admin.ttl(ring);
    assert.ok(seconds > 0, `${seconds} s`);
    await servers.admin.del(ring);
  });

  it("forgets the keys of whoever sends most, and not those of others", async () => {
    const { admin } = servers;
    await admin.configSet("appendfsync", "always");
    const small = await startInstance({ OMNIAI_EVENT_RETENTION: "100", OMNIAI_TRUST_PROXY_HOPS: "1" });
    try {
      await forgetAll();
      const postFrom = (address: string, key: string): Promise<Posted> =>
        post(small, { type: "once", data: key }, { "idempotency-key": key, "x-forwarded-for": address });
      const lanes = new Set<number>();
      const others: { readonly address: string; readonly key: string; readonly id: string }[] = [];
      for (let n = 1; lanes.size < 4; n++) {
        const address = `192.0.2.${n}`;
        if (lanes.has(laneOf(address, 16))) continue;
        lanes.add(laneOf(address, 16));
        const key = randomUUID();
        if (lanes.size < 4) others.push({ address, key, id: (await postFrom(address, key)).id });
        else {
          const flood = Array.from({ length: 250 }, randomUUID);
          for (let from = 0; from < flood.length; from += 50)
            await Promise.all(flood.slice(from, from + 50).map((each) => postFrom(address, each)));
        }
      }
      assert.equal((await admin.keys(IDEMPOTENCY_KEYS)).length, 100);
      for (const { address, key, id } of others) assert.equal((await postFrom(address, key)).id, id);
      // A newcomer finds room, at the cost of the same one.
      const late = { address: others[0]?.address ?? "", key: randomUUID() };
      const { id } = await postFrom(late.address, late.key);
      assert.equal((await postFrom(late.address, late.key)).id, id);
      for (const other of others) assert.equal((await postFrom(other.address, other.key)).id, other.id);
      assert.equal((await admin.keys(IDEMPOTENCY_KEYS)).length, 100);
    } finally {
      await small.stop();
      await admin.configSet("appendfsync", "everysec");
    }
  });

  it("refuses another event under the same key, and keys that are none", async () => {
    const key = randomUUID();
    const { id } = await postOnce(one, key, "first");
    const send = (body: unknown, given: string): Promise<Response> =>
      fetch(`${two.url}/api/events`, {
        method: "POST",
        headers: { "content-type": "application/json", "idempotency-key": given },
        body: JSON.stringify(body),
      });
    for (const [body, given, status, slug] of [
      [{ type: "once", data: "second" }, key, 422, "idempotency-key-reused"],
      [{ type: "other", data: "first" }, key, 422, "idempotency-key-reused"],
      [{ type: "once", data: "first", topic: "public.other" }, key, 422, "idempotency-key-reused"],
      [{ type: "once", data: "first" }, "short", 400, "invalid-idempotency-key"],
      [{ type: "once", data: "first" }, "with space in it", 400, "invalid-idempotency-key"],
      [{ type: "once", data: "first" }, "x".repeat(129), 400, "invalid-idempotency-key"],
      [{ type: "once", data: "first" }, "", 400, "invalid-idempotency-key"],
    ] as const) {
      const response = await send(body, given);
      const problem = (await response.json()) as { type: string };
      assert.equal(response.status, status, given);
      assert.equal(problem.type, `urn:omniai:problem:${slug}`);
      assert.match(response.headers.get("content-type") ?? "", /^application\/problem\+json/);
    }
    assert.equal((await postOnce(two, key, "first")).id, id);
    assert.equal((await entriesWith("second")).length, 0);
  });

  it("stores an event once that was answered with 503 first, and returns its id", async () => {
    const key = randomUUID();
    await servers.redis.pause();
    let first: Posted;
    try {
      first = await postOnce(one, key, key);
    } finally {
      await servers.redis.unpause();
    }
    assert.equal(first.status, 503);
    let last: Posted | undefined;
    await eventually("stored", async () => (last = await postOnce(two, key, key)).status === 201);
    await eventually("the first replica too", async () => (await postOnce(one, key, key)).id === last?.id);
    // Whether the paused Redis ran the first append or lost it with the connection: there is one.
    assert.deepEqual(
      (await entriesWith(key)).map((id) => last?.id.endsWith(id)),
      [true],
    );
  });

  it("survives a Redis that is killed between the entry and the answer", async () => {
    const ids = new Map<string, Set<string>>();
    let isOver = false;
    const publishers = Array.from({ length: 12 }, async (_, number) => {
      const at = number % 2 ? one : two;
      while (!isOver) {
        const key = randomUUID();
        const seen = new Set<string>();
        ids.set(key, seen);
        // Like a publisher that tries until it knows, and once more.
        for (let good = 0; good < 2;) {
          const { status, id } = await postOnce(at, key, key);
          if (status === 201 && ++good) seen.add(id);
          else await new Promise((resolve) => setTimeout(resolve, 100));
        }
      }
    });
    await new Promise((resolve) => setTimeout(resolve, 400));
    await servers.redis.crash();
    await eventually(
      "acknowledged after the crash",
      async () => (await postOnce(one, randomUUID(), 1)).status === 201,
    );
    isOver = true;
    await Promise.all(publishers);
    assert.ok(ids.size > 4);
    for (const [key, seen] of ids) {
      assert.equal(seen.size, 1, "one id a key");
      assert.equal((await entriesWith(key)).length, 1, "one entry a key");
    }
  });

  it("appends again in a new epoch, where the earlier log is gone", async () => {
    const key = randomUUID();
    const before = await postOnce(one, key, "again");
    await servers.admin.del("omniai:events:log");
    const after = await postOnce(one, key, "again");
    assert.equal(after.status, 201);
    assert.notEqual(after.id.split("-")[0], before.id.split("-")[0]);
    assert.equal((await postOnce(two, key, "again")).id, after.id);
    assert.ok((await loggedIds(servers)).includes(after.id));
  });
});
