/** /api/diag, over two replicas. */
import { strict as assert } from "node:assert";
import type { z } from "zod";
import { connectionsSchema, diagSchema, summarySchema, uptimeSchema } from "../../src/diag/schema.ts";
import { eventually, measured, post, startInstance, type Instance } from "../support/instance.ts";
import { models, silence, startProvider, type TestProvider } from "../support/provider.ts";
import { testServers, type Servers } from "../support/servers.ts";
import { SseClient } from "../support/sse.ts";

describe("diagnostics", function () {
  this.timeout(120_000);
  let servers: Servers;
  let provider: TestProvider;
  /** Sees all with the header; `two` is another replica. */
  let one: Instance;
  let two: Instance;
  const clients: SseClient[] = [];

  /** Every answer has to fit its schema. */
  const get = async <S extends z.ZodType>(
    schema: S,
    path: string,
    isAuthorised = false,
    instance = one,
  ): Promise<{ body: z.output<S>; text: string; ms: number }> => {
    const started = performance.now();
    const response = await fetch(`${instance.url}${path}`, {
      headers: isAuthorised ? { authorization: "Bearer operator" } : {},
    });
    const text = await response.text();
    assert.equal(response.status, 200, text);
    assert.equal(response.headers.get("cache-control"), "no-store");
    return { body: schema.parse(JSON.parse(text)), text, ms: performance.now() - started };
  };

  /** The first answer that has all of its parts: what does not come in its time on a busy machine is left out. */
  const whole = async (
    isWhole: (body: z.output<typeof diagSchema>) => boolean,
    isAuthorised = false,
  ): Promise<{ body: z.output<typeof diagSchema>; text: string }> => {
    let answer = await get(diagSchema, "/api/diag", isAuthorised);
    await eventually("all of its parts", async () => {
      if (isWhole(answer.body)) return true;
      answer = await get(diagSchema, "/api/diag", isAuthorised);
      return isWhole(answer.body);
    });
    return answer;
  };

  before(async function () {
    this.timeout(120_000);
    servers = await testServers();
    provider = await startProvider();
    const environment = {
      OMNIAI_PROVIDERS: JSON.stringify([{ name: "local", baseUrl: `${provider.baseUrl}/` }]),
      OMNIAI_COMMIT: "90af440c",
    };
    const maySeeAll = {
      maySeeAll: (response: { req: { headers: { authorization?: string } } }) =>
        response.req.headers.authorization === "Bearer operator",
    };
    [one, two] = await Promise.all([startInstance(environment, maySeeAll), startInstance()]);
  });
  afterEach(() => {
    for (const client of clients.splice(0)) client.close();
  });
  after(async () => {
    await Promise.all([one?.stop(), two?.stop()]);
    await provider?.close();
  });

  it("know in which minutes the service took requests, whichever replica is asked", async () => {
    const today = async () => (await get(uptimeSchema, "/api/diag/uptime", false, two)).body.days.at(-1);
    const dates = new Set<string>();
    const note = (): unknown => dates.add(new Date().toISOString().slice(0, 10));
    note();
    // An answer is kept for ten seconds, also one from before the first mark, or from before midnight.
    await eventually("this minute is written", async () => ((await today())?.upMinutes ?? 0) > 0);
    const day = (await today()) ?? assert.fail();
    note();
    assert.ok(dates.has(day.day), day.day);
    assert.ok(day.upMinutes <= day.minutes && day.wellMinutes <= day.upMinutes, JSON.stringify(day));
  });

  it("show everybody the state, and nothing of the inside", async () => {
    const { body, text } = await whole(
      ({ status, providers, database, quality }) =>
        status === "pass" &&
        providers?.[0]?.status === "pass" &&
        database.migrations !== undefined &&
        quality !== undefined,
    );
    assert.equal(body.status, "pass");
    assert.deepEqual(body.database.migrations?.pending, []);
    assert.ok((body.database.migrations?.applied ?? 0) >= 1);
    assert.deepEqual(body.providers, [{ name: "local", status: "pass" }]);
    assert.ok(body.quality);
    const around = ["backups", "alerts", "certificate", "tunnel"];
    for (const hidden of ["sizeBytes", "topStatements", "memory", "storage", "baseUrl", "models", ...around])
      assert.ok(!text.includes(`"${hidden}"`), hidden);
    assert.equal(body.commit, "90af440c");
    const asOther = await get(diagSchema, "/api/diag", true, two);
    assert.equal(asOther.body.commit, undefined, "not known");
    assert.equal(asOther.body.database.sizeBytes, undefined, "nobody is authorised without being told who");
  });

  it("show the authorised sizes, statements, memory, persistence and providers", async () => {
    const secret = "ALTER ROLE omniai VALID UNTIL 'infinity' PASSWORD 'test'";
    const psql = (sql: string): Promise<string> =>
      servers.postgres.exec("psql", "-h", "127.0.0.1", "-U", "omniai", "-qc", sql, "omniai");
    // Shown are the ten that have taken longest, of all that has been asked here since: nothing of other tests.
    await psql("SELECT pg_stat_statements_reset()");
    await psql(secret);
    const reported = await fetch(`${one.url}/api/diag/client-reports`, {
      method: "POST",
      body: JSON.stringify({ client: "page-of-statements" }),
      headers: { "content-type": "application/json" },
    });
    assert.equal(reported.status, 202);
    const { body, text } = await whole(
      ({ database, redis, providers }) =>
        [database.sizeBytes, database.topStatements, redis.memory, redis.storage].every(
          (part) => part !== undefined,
        ) && providers?.[0]?.models !== undefined,
      true,
    );
    assert.ok((body.database.sizeBytes ?? 0) > 1_000_000);
    assert.ok((body.database.topStatements?.length ?? 0) > 0);
    assert.ok(body.database.topStatements?.every(({ calls, totalMs }) => calls > 0 && totalMs >= 0));
    assert.doesNotMatch(text, /ALTER ROLE/);
    // Those of requests are among them, and name none.
    assert.ok(
      body.database.topStatements?.some(({ query }) => /insert into client_reports/i.test(query)),
      text,
    );
    assert.doesNotMatch(text, /request_id=/);
    assert.ok((body.redis.memory?.usedBytes ?? 0) > 100_000);
    assert.deepEqual([body.redis.memory?.maxBytes, body.redis.memory?.policy], [536_870_912, "noeviction"]);
    assert.ok(body.redis.storage?.lastRewriteOk && (body.redis.storage.appendOnlyBytes ?? 0) > 0);
    assert.deepEqual(body.providers[0]?.models, ["small", "large"]);
    assert.equal(body.providers[0]?.baseUrl, provider.baseUrl);
    const { backups, alerts, certificate, tunnel } = body;
    const absent = { status: "absent" };
    assert.deepEqual([backups, alerts, certificate, tunnel], [absent, absent, absent, absent]);
  });

  it("count what pages reported lately", async () => {
    // Each is asked for the first time: an answer is kept for ten seconds.
    const ask = async () => {
      const fresh = await startInstance();
      try {
        return (await get(diagSchema, "/api/diag", false, fresh)).body.quality;
      } finally {
        await fresh.stop();
      }
    };
    // What does not come in its time on a busy machine is left out.
    const quality = async () => {
      let known: Awaited<ReturnType<typeof ask>>;
      await eventually("the quality", async () => (known = await ask()) !== undefined);
      return known;
    };
    const before = await quality();
    const headers = { "content-type": "application/json" };
    for (const p50Ms of [10, 30, 50]) {
      const latency = { samples: 3, p50Ms, p95Ms: p50Ms * 2, maxMs: 200 };
      const body = JSON.stringify({ client: "page-of-diag", latency, reconnects: { count: 2 } });
      const { status } = await fetch(`${one.url}/api/diag/client-reports`, { method: "POST", body, headers });
      assert.equal(status, 202);
    }
    const after = await quality();
    assert.equal(after?.reports, (before?.reports ?? 0) + 3);
    assert.equal(after?.reconnects, (before?.reconnects ?? 0) + 6);
    assert.ok(after?.latencyP50Ms);
  });

  it("show the authorised which errors all pages had, counted and grouped, and nobody else", async () => {
    const headers = { "content-type": "application/json" };
    const message = `console: of the test ${Math.random()}`;
    for (const [client, count] of [
      ["page-one", 400_000],
      ["page-one", 100_000],
      ["page-two", undefined],
    ] as const) {
      const body = JSON.stringify({ client, errors: [{ message, count }] });
      const { status } = await fetch(`${one.url}/api/diag/client-reports`, { method: "POST", body, headers });
      assert.equal(status, 202);
    }
    // An answer is kept for ten seconds, also one from before.
    const newest = await whole(({ quality }) => quality?.topErrors?.[0]?.message === message, true);
    assert.deepEqual(newest.body.quality?.topErrors?.[0], { message, count: 500_001, clients: 2 });
    const asNobody = await whole(({ quality }) => quality !== undefined);
    assert.ok((asNobody.body.quality?.errors ?? 0) >= 500_001);
    assert.doesNotMatch(asNobody.text, /topErrors|of the test/);
  });

  it("are not kept waiting by a provider that hangs", async () => {
    const hanging = await startProvider();
    hanging.answer = silence;
    const waiting = await startInstance({
      OMNIAI_PROVIDERS: JSON.stringify([{ name: "hangs", baseUrl: hanging.baseUrl }]),
    });
    try {
      const began = performance.now();
      await get(diagSchema, "/api/diag", false, waiting);
      for (const path of ["/api/diag", "/api/diag/health-summary"]) {
        const times: number[] = [];
        for (let n = 0; n < 3; n++) {
          const started = performance.now();
          const response = await fetch(`${waiting.url}${path}`);
          assert.equal(response.status, 200);
          await response.arrayBuffer();
          times.push(performance.now() - started);
        }
        // The best of them: a busy machine adds to each.
        assert.ok(Math.min(...times) < 450, `${path}: ${times.join(", ")} ms`);
      }
      // It is given up after five seconds, and asked again four seconds later at the soonest.
      const most = 1 + Math.floor((performance.now() - began) / 9000);
      assert.ok(hanging.requests.length <= most, "asked once, however many ask here");
    } finally {
      await waiting.stop();
      await hanging.close();
    }
  });

  it("sum up in one verdict, with the details for the authorised", async () => {
    // A check that came too late on a busy machine counts until the next one.
    await eventually(
      "nothing to say",
      async () => (await get(summarySchema, "/api/diag/health-summary")).body.reasons.length === 0,
    );
    provider.answer = (_request, response) => void response.writeHead(503).end();
    const failing = await startInstance(
      { OMNIAI_PROVIDERS: JSON.stringify([{ name: "broken", baseUrl: provider.baseUrl }]) },
      { maySeeAll: (response) => response.req.headers.authorization === "Bearer operator" },
    );
    try {
      const summary = async (isAuthorised: boolean) =>
        (await get(summarySchema, "/api/diag/health-summary", isAuthorised, failing)).body;
      // The first answer does not wait for a provider for long, and a check that came too late counts until the next one.
      let open = await summary(false);
      await eventually("the provider is the one reason", async () => {
        open = await summary(false);
        return open.reasons.length === 1 && open.reasons[0]?.component === "provider broken";
      });
      assert.equal(open.status, "warn");
      assert.deepEqual(open.reasons, [{ component: "provider broken", status: "warn" }]);
      const { reasons } = await summary(true);
      assert.equal(reasons.find(({ component }) => component === "provider broken")?.detail, "answers 503");
    } finally {
      provider.answer = models;
      await failing.stop();
    }
  });

  it("answer within 2 s while PostgreSQL is silent, and say so", async () => {
    await servers.postgres.pause();
    try {
      await eventually("noticed", async () => {
        const { body } = await get(summarySchema, "/api/diag/health-summary");
        return body.status === "fail" && body.reasons.some(({ component }) => component === "database");
      });
      const { result, lateMs } = await measured(() => get(diagSchema, "/api/diag", true));
      assert.equal(result.body.database.status, "fail");
      assert.ok(result.ms < 2000 + lateMs, `${result.ms} ms, ${lateMs} ms late`);
    } finally {
      await servers.postgres.unpause();
    }
    await eventually("well again", () => one.isReady() && two.isReady());
  });

  it("list the streams of every replica for the authorised, and only count them for others", async () => {
    const connect = (instance: Instance, query = ""): Promise<SseClient> => {
      const client = new SseClient(`${instance.url}/api/events${query}`);
      clients.push(client);
      return client.joined();
    };
    await Promise.all([connect(one), connect(one, "?topics=public.news.*"), connect(two)]);
    const { id } = await post(one, { type: "x", data: 1 });
    for (const client of clients) await client.until("position", ({ parser }) => parser.lastEventId >= id);
    const ask = async (query = "", isAuthorised = true) =>
      (await get(connectionsSchema, `/api/diag/connections${query}`, isAuthorised)).body;
    // What another replica tells is as old as its last beat, and may be from before its stream had joined.
    await eventually("all replicas tell theirs", async () => {
      const { streams, missing = [], connections = [] } = await ask();
      const areLive = connections.every(({ live }) => live);
      return missing.length === 0 && connections.length === 3 && streams === 3 && areLive;
    });
    const { connections = [], replicas, complete, streams } = await ask();
    assert.ok(complete);
    assert.equal(streams, 3);
    assert.equal(replicas[0]?.streams, 2);
    assert.equal(new Set(connections.map(({ replica }) => replica)).size, 2);
    assert.ok(connections.every(({ live }) => live));
    assert.equal(connections.find(({ topics }) => topics === "public.news.*")?.lastId, id);
    assert.equal((await ask("?topic=news")).matching, 1);
    const first = await ask("?limit=2");
    assert.equal(first.connections?.length, 2);
    const second = await ask(`?limit=2&after=${encodeURIComponent(first.next ?? "")}`);
    assert.equal(second.connections?.length, 1);
    assert.equal(second.next, undefined);
    const open = await ask("", false);
    assert.deepEqual(Object.keys(open).sort(), ["complete", "replicas", "streams"]);
  });

  it("show with a stream what its page reports: round trip and reconnects, whichever replica got the report", async () => {
    const client = new SseClient(`${one.url}/api/events?client=page-of-stream`);
    clients.push(client, await new SseClient(`${one.url}/api/events`).joined());
    await client.joined();
    const ask = async () => {
      const { body } = await get(connectionsSchema, "/api/diag/connections?client=page-of-stream", true);
      return body.connections ?? [];
    };
    assert.equal((await ask()).length, 1);
    assert.equal((await ask())[0]?.reported, undefined);
    for (const [at, roundTripMs, count] of [
      [one, 90, 1],
      [two, 12.5, 2],
    ] as const) {
      const response = await fetch(`${at.url}/api/diag/client-reports`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ client: "page-of-stream", roundTripMs, reconnects: { count } }),
      });
      assert.equal(response.status, 202);
    }
    let [connection] = await ask();
    // What PostgreSQL does not say in its time on a busy machine is left out.
    await eventually("what was reported", async () => {
      [connection] = await ask();
      return connection?.reported !== undefined;
    });
    assert.equal(connection?.client, "page-of-stream");
    assert.equal(connection.reported?.roundTripMs, 12.5);
    assert.equal(connection.reported.reconnects, 2);
    assert.equal((await fetch(`${one.url}/api/events?client=x`)).status, 400);
  });

  it("forget a replica that stopped, at once", async () => {
    const short = await startInstance();
    const isListed = async (): Promise<boolean> => {
      const { body } = await get(connectionsSchema, "/api/diag/connections");
      return body.replicas.length === 3;
    };
    await eventually("listed", isListed);
    await short.stop();
    // After four beats that are missed, of three seconds each, it would be forgotten without a farewell, too.
    await eventually("gone", async () => !(await isListed()), 8000);
  });
});
