/** Streams of known users: who may follow what, and when they end. */
import { strict as assert } from "node:assert";
import { setTimeout as sleep } from "node:timers/promises";
import { EventSource } from "eventsource";
import {
  addUser,
  ask,
  bearer,
  endedAfter,
  endLeeway,
  loginTokens,
  openStream,
  Page,
  slugOf,
  startAuth,
} from "../support/auth.ts";
import type { User } from "../../src/auth/stores/users.ts";
import { runEntry } from "../support/entry.ts";
import { ANSWER_MS } from "../../src/platform/postgres.ts";
import { eventually, promised, whileItHolds, type Instance } from "../support/instance.ts";
import { SseClient } from "../support/sse.ts";
import { testServers, type Servers } from "../support/servers.ts";

const reasonOf = ({ parser }: SseClient): string =>
  (JSON.parse(parser.events.at(-1)?.data ?? "{}") as { reason: string }).reason;

describe("streams of users", function () {
  this.timeout(120_000);
  let servers: Servers;
  let instance: Instance;
  let other: Instance;
  const statusOf = async (topics: string, headers: Record<string, string>): Promise<number> => {
    const client = new SseClient(`${instance.url}/api/events?topics=${topics}`, headers);
    await eventually("answer", () => client.response !== undefined);
    client.close();
    return client.response?.statusCode ?? 0;
  };

  before(async function () {
    this.timeout(120_000);
    servers = await testServers();
    [instance, other] = await Promise.all([startAuth("both"), startAuth("both")]);
  });
  after(() => Promise.all([instance?.stop(), other?.stop()]));

  it("carry public.* to everybody, and user.<id>.* to that user alone", async () => {
    const [mine, theirs] = [await addUser(), await addUser()];
    const [page, stranger] = [await Page.loggedIn(instance, mine), await Page.loggedIn(other, theirs)];
    const [own, foreign, nobody] = await Promise.all([
      page.at(other).stream(`user.${mine.id}.*,public.auth`),
      stranger.stream(`user.${theirs.id}.*,public.auth`),
      openStream(instance, "public.auth", {}),
    ]);
    for (const topic of [`user.${mine.id}.mail`, "public.auth"]) {
      assert.equal((await page.ask("POST", "/api/events", { type: "t", topic, data: topic })).status, 201);
    }
    for (const client of [own, foreign, nobody]) {
      await client.until("public", ({ published }) => published.some(({ data }) => data === '"public.auth"'));
      client.close();
    }
    assert.deepEqual(
      [own, foreign, nobody].map(({ published }) => published.length),
      [2, 1, 1],
    );
    const refused = await stranger.ask("POST", "/api/events", {
      type: "t",
      topic: `user.${mine.id}.mail`,
      data: 1,
    });
    assert.deepEqual([refused.status, slugOf(refused)], [403, "topic-not-allowed"]);
    assert.equal(await statusOf(`user.${mine.id}.*`, stranger.headers), 403);
    assert.equal((await stranger.ask("GET", `/api/events/poll?topics=user.${mine.id}.*`)).status, 403);
    assert.equal((await ask(instance, "GET", `/api/events/poll?topics=user.${mine.id}.*`)).status, 401);
    const page2 = await page.ask("GET", `/api/events/poll?topics=user.${mine.id}.*`);
    assert.equal(page2.status, 200);
  });

  it("take posts of known users only", async () => {
    const answer = await ask(instance, "POST", "/api/events", { body: { type: "t", data: 1 } });
    assert.deepEqual([answer.status, slugOf(answer)], [401, "unauthenticated"]);
    const reader = await Page.loggedIn(instance, await addUser(["events:read"]));
    const refused = await reader.ask("POST", "/api/events", { type: "t", data: 1 });
    assert.deepEqual([refused.status, slugOf(refused)], [403, "insufficient-scope"]);
  });

  it("need events:read for what is not public", async () => {
    const user = await addUser(["events:write"]);
    const page = await Page.loggedIn(instance, user);
    assert.equal(await statusOf(`user.${user.id}.*`, page.headers), 403);
    assert.equal(await statusOf("public.*", page.headers), 200);
  });

  it("end within a second of a logout, on every replica, and only that login's", async () => {
    await promised(1000, async () => {
      const user = await addUser();
      const topics = `user.${user.id}.*`;
      const [page, elsewhere] = [await Page.loggedIn(instance, user), await Page.loggedIn(instance, user)];
      const streams = await Promise.all([
        page.stream(topics),
        page.at(other).stream(topics),
        page.at(other).stream("public.*"),
      ]);
      const staying = await Promise.all([
        elsewhere.at(other).stream(topics),
        openStream(other, "public.*", {}),
      ]);
      const since = Date.now();
      assert.equal((await page.ask("POST", "/api/auth/logout")).status, 204);
      const took: number[] = [];
      for (const stream of streams) {
        took.push(await endedAfter(stream, since));
        assert.equal(await stream.ended, "end", "a clean end");
        assert.equal(reasonOf(stream), "revoked");
      }
      await sleep(300);
      assert.deepEqual(
        staying.map(({ endedAt }) => endedAt),
        [0, 0],
      );
      for (const stream of staying) stream.close();
      return took;
    });
  });

  it("of tokens end with a logout, with reuse of a refresh token, and with the revocation of an API token", async () => {
    await promised(1000, async () => {
      const user = await addUser();
      const topics = `user.${user.id}.*`;
      const [out, reused] = [await loginTokens(instance, user), await loginTokens(instance, user)];
      const page = await Page.loggedIn(instance, user);
      const { body: api } = await page.ask<{ id: string; token: string }>("POST", "/api/auth/tokens", {
        name: "x",
        scopes: ["events:read"],
      });
      const [first, second, third] = await Promise.all(
        [out.accessToken, reused.accessToken, api.token].map((token) =>
          openStream(other, topics, bearer(token)),
        ),
      );
      assert.ok(first && second && third);
      const took: number[] = [];
      let since = Date.now();
      await ask(instance, "POST", "/api/auth/logout", { headers: bearer(out.accessToken) });
      took.push(await endedAfter(first, since));
      const body = { refreshToken: reused.refreshToken };
      await ask(instance, "POST", "/api/auth/refresh", { body });
      await endLeeway(reused.refreshToken);
      since = Date.now();
      assert.equal((await ask(instance, "POST", "/api/auth/refresh", { body })).status, 401);
      took.push(await endedAfter(second, since));
      assert.equal(third.endedAt, 0);
      since = Date.now();
      await page.ask("DELETE", `/api/auth/tokens?id=${api.id}`);
      took.push(await endedAfter(third, since));
      return took;
    });
  });

  it("end when their user is disabled or gets a new password, which ends the logins too", async () => {
    // A user of its own for each attempt.
    await promised(1000, async () => endsWithItsUser(await addUser()));
  });

  /** @returns how long after each command the streams have ended, in ms. */
  async function endsWithItsUser(user: User): Promise<number[]> {
    const topics = `user.${user.id}.*`;
    const page = await Page.loggedIn(instance, user);
    const tokens = await loginTokens(instance, user);
    const { body: api } = await page.ask<{ token: string }>("POST", "/api/auth/tokens", {
      name: "x",
      scopes: ["events:read", "events:write"],
    });
    const [a, b, c, d] = await Promise.all([
      page.stream(topics),
      page.at(other).stream(topics),
      openStream(other, topics, bearer(tokens.accessToken)),
      openStream(other, topics, bearer(api.token)),
    ]);
    const passwd = await runEntry("user.ts", ["passwd", user.name]);
    assert.equal(passwd.code, 0, passwd.output);
    const took: number[] = [];
    for (const stream of [a, b, c]) took.push(await endedAfter(stream, passwd.at));
    await sleep(200);
    assert.equal(d.endedAt, 0, "API tokens outlive a password");
    assert.equal(await page.isIn(), false);
    assert.equal(
      (await ask(other, "GET", "/api/auth/check", { headers: bearer(tokens.accessToken) })).status,
      401,
    );
    const { password } = JSON.parse(passwd.output) as { password: string };
    assert.equal((await new Page(instance).login(user.name)).status, 401, "the old password");
    assert.equal((await page.login(user.name, password)).status, 200);
    const again = await page.stream(topics);
    const disabled = await runEntry("user.ts", ["disable", user.name]);
    assert.equal(disabled.code, 0, disabled.output);
    for (const stream of [again, d]) took.push(await endedAfter(stream, disabled.at));
    assert.equal(await page.isIn(), false);
    assert.equal((await ask(other, "GET", "/api/auth/check", { headers: bearer(api.token) })).status, 401);
    assert.equal((await page.login(user.name, password)).status, 401);
    await runEntry("user.ts", ["enable", user.name]);
    assert.equal((await page.login(user.name, password)).status, 200);
    assert.equal((await ask(other, "GET", "/api/auth/check", { headers: bearer(api.token) })).status, 200);
    return took;
  }

  it("are polls too: one that waits ends within a second, and is told to log in", async () => {
    await promised(1500, async () => {
      const user = await addUser();
      const topics = `user.${user.id}.*`;
      const page = await Page.loggedIn(instance, user);
      const { accessToken } = await loginTokens(instance, user);
      const { next } = (await page.ask<{ next: string }>("GET", `/api/events/poll?topics=${topics}`)).body;
      const path = `/api/events/poll?topics=${topics}&wait=20&after=${next}`;
      const waiting = [
        page.at(other).ask("GET", path),
        ask(other, "GET", path, { headers: bearer(accessToken) }),
        ask(other, "GET", path.replace(topics, "public.nothing"), { headers: bearer(accessToken) }),
      ];
      await sleep(300);
      const since = Date.now();
      await page.ask("POST", "/api/auth/logout");
      await ask(instance, "POST", "/api/auth/logout", { headers: bearer(accessToken) });
      const answers = await Promise.all(waiting);
      const took = Date.now() - since;
      assert.deepEqual(answers.map(slugOf), ["unauthenticated", "invalid-token", "invalid-token"]);
      return [took];
    });
  });

  it("are rejected before anybody looks for a credential", async () => {
    const limited = await startAuth("both", { OMNIAI_MAX_STREAMS_PER_ADDRESS: "1" });
    try {
      const first = await openStream(limited, "public.*", {});
      await servers.postgres.pause();
      try {
        const times: number[] = [];
        for (const letter of "BCD") {
          const since = performance.now();
          const unknown = bearer(`omniai_pat_${letter.repeat(43)}`);
          const second = new SseClient(`${limited.url}/api/events`, unknown);
          assert.equal(await second.ended, "end");
          assert.deepEqual([second.response?.statusCode, reasonOf(second)], [200, "busy"]);
          times.push(performance.now() - since);
        }
        // The best of them: a busy machine adds to each.
        assert.ok(Math.min(...times) < ANSWER_MS / 2, `PostgreSQL was not asked: ${times.join(", ")} ms`);
      } finally {
        await servers.postgres.unpause();
      }
      first.close();
      await eventually("a place", async () => {
        const again = new SseClient(`${limited.url}/api/events?topics=user.x.*`);
        await again.ended;
        return again.response?.statusCode === 204;
      });
      // What was no stream in the end has given its place back.
      await openStream(limited, "public.*", {}).then((stream) => stream.close());
    } finally {
      await limited.stop();
    }
  });

  it("send a native EventSource away for good with 204 after a logout, and never with an error before", async () => {
    const user = await addUser();
    const page = await Page.loggedIn(instance, user);
    const statuses: number[] = [];
    const source = new EventSource(`${instance.url}/api/events?topics=user.${user.id}.*`, {
      fetch: async (url, init) => {
        const response = await fetch(url, { ...init, headers: { ...init.headers, cookie: page.cookie } });
        statuses.push(response.status);
        return response;
      },
    });
    try {
      await eventually("open", () => source.readyState === EventSource.OPEN);
      await page.ask("POST", "/api/auth/logout");
      await eventually("closed", () => source.readyState === EventSource.CLOSED);
      assert.deepEqual(statuses, [200, 204]);
    } finally {
      source.close();
    }
    assert.equal(await statusOf(`user.${user.id}.*`, {}), 204, "also when the cookie is gone");
    assert.equal(await statusOf("public.*", page.headers), 200, "as nobody");
  });

  it("are limited for each user, within the stream", async () => {
    const limited = await startAuth("session", { OMNIAI_MAX_STREAMS_PER_USER: "2" });
    try {
      const [page, another] = [
        await Page.loggedIn(limited, await addUser()),
        await Page.loggedIn(limited, await addUser()),
      ];
      const kept = [await page.stream("public.*"), await page.stream("public.*")];
      const third = new SseClient(`${limited.url}/api/events`, page.headers);
      assert.equal(await third.ended, "end");
      assert.equal(third.response?.statusCode, 200);
      assert.equal(reasonOf(third), "busy");
      kept.push(await another.stream("public.*"), await openStream(limited, "public.*", {}));
      for (const stream of kept) stream.close();
    } finally {
      await limited.stop();
    }
  });

  it("do not outlive a session that ended by itself, nor an access token", async () => {
    const lifeMs = 2000;
    const short = await startAuth("both", {
      OMNIAI_SESSION_IDLE_SECONDS: String(lifeMs / 1000),
      OMNIAI_ACCESS_SECONDS: String(lifeMs / 1000),
      OMNIAI_AUTH_SWEEP_SECONDS: "0.3",
    });
    try {
      const user = await addUser();
      const topics = `user.${user.id}.*`;
      const opened = await whileItHolds(lifeMs, async () => {
        const since = Date.now();
        const page = await Page.loggedIn(short, user);
        const { accessToken } = await loginTokens(short, user);
        const both = [
          new SseClient(`${short.url}/api/events?topics=${topics}`, page.headers),
          new SseClient(`${short.url}/api/events?topics=${topics}`, bearer(accessToken)),
        ];
        for (const client of both) {
          await client.until("an answer", ({ parser, endedAt }) => parser.lastEventId !== "" || endedAt > 0);
          assert.notEqual(client.parser.lastEventId, "", "joined while it was good");
        }
        return { since, both };
      });
      const [session = 0, token = 0] = await Promise.all(
        opened.both.map((stream) => endedAfter(stream, opened.since)),
      );
      // Long before its own age.
      assert.ok(session > lifeMs - 100 && session < lifeMs + 20_000, `session: ${session} ms`);
      assert.ok(token > lifeMs - 300 && token < lifeMs + 20_000, `token: ${token} ms`);
    } finally {
      await short.stop();
    }
  });

  it("are rejected within the stream while nobody can tell whose request it is", async () => {
    const user = await addUser();
    const page = await Page.loggedIn(instance, user);
    await servers.redis.pause();
    let client: SseClient;
    try {
      client = new SseClient(`${instance.url}/api/events?topics=user.${user.id}.*`, page.headers);
      assert.equal(await client.ended, "end");
    } finally {
      await servers.redis.unpause();
    }
    assert.equal(client.response?.statusCode, 200);
    assert.ok((client.parser.retry ?? 0) >= 5000);
    await eventually("back", () => page.isIn());
  });

  it("end when Redis comes back after a revocation that nobody announced", async () => {
    const user = await addUser();
    const page = await Page.loggedIn(instance, user);
    const stream = await page.at(other).stream(`user.${user.id}.*`);
    // As a flush, or an operator, would do it: nobody is told, but the replicas' connections are gone for a moment.
    await servers.admin.del(await servers.admin.keys("omniai:session:*"));
    await servers.admin.sendCommand(["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    const since = Date.now();
    // Long before a sweep.
    assert.ok((await endedAfter(stream, since)) < 30_000);
  });

  it("show all of the diagnostics to those with diag:read only", async () => {
    const [some, admin] = [
      await Page.loggedIn(instance, await addUser()),
      await Page.loggedIn(instance, await addUser(["events:read", "diag:read"])),
    ];
    const memory = async (page: Page): Promise<unknown> =>
      ((await page.ask("GET", "/api/diag")).body.redis as { memory?: unknown }).memory;
    assert.equal(await memory(some), undefined);
    assert.equal(await memory(new Page(instance)), undefined);
    await eventually("all of it", async () => (await memory(admin)) !== undefined);
    assert.equal(((await admin.ask("GET", "/api/diag")).body.auth as { mode: string }).mode, "both");
    assert.ok("connections" in (await admin.ask("GET", "/api/diag/connections")).body);
    assert.ok(!("connections" in (await some.ask("GET", "/api/diag/connections")).body));
  });
});
