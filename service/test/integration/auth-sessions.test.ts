/** Sessions over HTTP, with real Redis and PostgreSQL. */
import { strict as assert } from "node:assert";
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { RedisSessionStore } from "../../src/auth/stores/redis-sessions.ts";
import { MemorySessionStore } from "../../src/auth/stores/sessions.ts";
import { loadConfig } from "../../src/platform/env/config.ts";
import { createLogger } from "../../src/platform/logging.ts";
import { RedisLink } from "../../src/platform/redis.ts";
import {
  addUser,
  admitted,
  ask,
  type Answer,
  cookieOf,
  Page,
  PAGE_ORIGIN,
  PASSWORD,
  slugOf,
  startAuth,
} from "../support/auth.ts";
import { eventually, startInstance, testEnvironment, type Instance } from "../support/instance.ts";
import { testServers, type Servers } from "../support/servers.ts";

describe("sessions", function () {
  this.timeout(120_000);
  let servers: Servers;
  let instance: Instance;
  let other: Instance;

  before(async function () {
    this.timeout(120_000);
    servers = await testServers();
    [instance, other] = await Promise.all([
      startAuth("session"),
      startAuth("session", { OMNIAI_PAGE_SITE: "same-site" }),
    ]);
  });
  after(() => Promise.all([instance?.stop(), other?.stop()]));

  it("begin with a login, are known to every replica, and end with a logout", async () => {
    const user = await addUser();
    const page = new Page(instance);
    assert.deepEqual(await page.check(), { authenticated: false, mode: "session" });
    const login = await page.login(user.name);
    assert.equal(login.status, 200);
    assert.deepEqual(login.body.user, { id: user.id, name: user.name });
    for (const replica of [page, page.at(other)]) {
      const answer = await replica.ask("GET", "/api/auth/check");
      assert.equal(answer.status, 200);
      assert.equal(answer.headers.get("cache-control"), "no-store");
      assert.equal(answer.body.authenticated, true);
      assert.deepEqual(answer.body.user, { id: user.id, name: user.name });
      assert.equal(answer.body.via, "session");
    }
    assert.equal((await page.ask("POST", "/api/auth/logout")).status, 204);
    assert.deepEqual(await page.check(), { authenticated: false, mode: "session" });
    assert.deepEqual(await page.at(other).check(), { authenticated: false, mode: "session" });
    assert.equal((await page.ask("POST", "/api/auth/logout")).status, 204, "again is no error");
  });

  it("are so many for each user: a new one ends the one that was not used for longest", async () => {
    const { redis } = loadConfig(await testEnvironment());
    const logger = createLogger({ level: "silent", replica: "", build: "" });
    const link = new RedisLink(redis, "sessions", logger, { idleMs: 3000, isPinging: true });
    link.open();
    await eventually("connected", () => link.isReady);
    try {
      for (const store of [new RedisSessionStore(link, 60_000), new MemorySessionStore()]) {
        const userId = randomUUID();
        const session = { userId, name: "ada", scopes: [], createdAt: 0 };
        const put = (n: number): Promise<void> =>
          store.put(`${userId}-${n}`, { ...session, usedAt: n }, 60_000);
        for (let n = 1; n <= 50; n++) await put(n);
        // The first one is used again, and one has ended.
        await store.renew(`${userId}-1`, { ...session, usedAt: 100 }, 60_000);
        await store.remove(`${userId}-3`);
        await put(51);
        const isKept = async (n: number): Promise<boolean> =>
          (await store.get(`${userId}-${n}`)) !== undefined;
        assert.deepEqual([await isKept(1), await isKept(2), await isKept(51)], [true, true, true]);
        await Promise.all([put(52), put(53)]);
        const kept = await Promise.all(Array.from({ length: 53 }, (_, n) => isKept(n + 1)));
        assert.deepEqual(
          kept.flatMap((is, n) => (is ? [] : [n + 1])),
          [2, 3, 4],
        );
        await store.removeOf(userId);
        assert.equal(await isKept(53), false);
      }
    } finally {
      link.close();
    }
  });

  it("have a __Host- cookie that fits the page's site, and remove it with the same attributes", async () => {
    const user = await addUser();
    const expected = [
      [instance, "Path=/; Secure; HttpOnly; SameSite=None; Partitioned"],
      [other, "Path=/; Secure; HttpOnly; SameSite=Lax"],
    ] as const;
    for (const [replica, attributes] of expected) {
      const page = new Page(replica);
      const [set = "", device = ""] = (await page.login(user.name)).headers.getSetCookie();
      assert.match(set, /^__Host-sid=[A-Za-z0-9_-]{43}; /);
      assert.equal(set.slice(set.indexOf(";") + 2), attributes);
      assert.match(device, /^__Host-device=[A-Za-z0-9_.-]{87}; /);
      assert.equal(device.slice(device.indexOf(";") + 2), `${attributes}; Max-Age=31536000`);
      const [cleared] = (await page.ask("POST", "/api/auth/logout")).headers.getSetCookie();
      assert.equal(cleared, `__Host-sid=; ${attributes}; Max-Age=0`);
    }
  });

  it("get a new id with every login, and the old id becomes invalid", async () => {
    const user = await addUser();
    const page = new Page(instance);
    const planted = `__Host-sid=${"A".repeat(43)}`;
    page.cookie = planted;
    await page.login(user.name);
    assert.notEqual(page.cookie, planted);
    const first = page.at(instance);
    await page.login(user.name);
    assert.notEqual(page.cookie, first.cookie);
    assert.deepEqual([await first.isIn(), await page.isIn()], [false, true]);
  });

  it("are in Redis under a hash, which lets nobody in", async () => {
    const user = await addUser();
    const page = await Page.loggedIn(instance, user);
    const id = page.cookie.split("=")[1] ?? "";
    const keys = await servers.admin.keys("omniai:session:*");
    assert.ok(keys.length > 0);
    assert.ok(keys.every((key) => !key.includes(id)));
    for (const key of keys) {
      assert.ok(!(await servers.admin.get(key))?.includes(id));
      assert.ok((await servers.admin.pTTL(key)) > 0, "each ends by itself");
      const thief = new Page(instance);
      thief.cookie = `__Host-sid=${key.slice("omniai:session:".length)}`;
      assert.equal(await thief.isIn(), false);
    }
  });

  it("end when idle, are renewed by use, but not by check, streams and polls", async () => {
    const idleMs = 2000;
    const idle = await startAuth("session", { OMNIAI_SESSION_IDLE_SECONDS: String(idleMs / 1000) });
    try {
      // From one use to the next on a busy machine it may be longer: then the used one has ended as well.
      let [last, longest] = [0, 0];
      const attempt = async (): Promise<void> => {
        const user = await addUser();
        [last, longest] = [performance.now(), 0];
        const [used, watched, left] = await Promise.all(
          [0, 1, 2].map(() => Page.loggedIn(idle, user)) as [Promise<Page>, Promise<Page>, Promise<Page>],
        );
        const use = async (): Promise<void> => {
          const { status } = await admitted(() => used.ask("GET", "/api/auth/csrf"));
          longest = Math.max(longest, performance.now() - last);
          last = performance.now();
          assert.equal(status, 200, "it is used");
        };
        const stream = await watched.stream(`user.${user.id}.*`);
        for (const end = performance.now() + 1.5 * idleMs; performance.now() < end; await sleep(200)) {
          await use();
          await watched.check();
          await watched.ask("GET", "/api/events/poll");
          await watched.ask("GET", "/api/diag");
        }
        await use();
        assert.deepEqual([await watched.isIn(), await left.isIn()], [false, false]);
        stream.close();
      };
      for (let tries = 0; tries < 5; tries++) {
        try {
          await attempt();
          return;
        } catch (error) {
          if (Math.max(longest, performance.now() - last) < 0.9 * idleMs) throw error;
        }
      }
      assert.fail("too busy a machine to use a session often enough");
    } finally {
      await idle.stop();
    }
  });

  it("end for good, however much they are used", async () => {
    const [idleMs, maxMs] = [1500, 3000];
    const short = await startAuth("session", {
      OMNIAI_SESSION_IDLE_SECONDS: String(idleMs / 1000),
      OMNIAI_SESSION_MAX_SECONDS: String(maxMs / 1000),
    });
    try {
      for (let tries = 5; tries > 0; tries--) {
        const page = await Page.loggedIn(short, await addUser());
        const began = Date.now();
        /** When the last request was sent that the session was good for, and the longest time between two of them. */
        let [last, longest] = [0, 0];
        for (;;) {
          const sent = Date.now() - began;
          longest = Math.max(longest, sent - last);
          const { status } = await page.ask("GET", "/api/auth/csrf");
          // Redis was too late with its answer: it is asked again.
          if (status === 503) continue;
          if (status !== 200) break;
          last = sent;
          await sleep(100);
        }
        assert.ok(last <= maxMs, `used for ${last} ms: ended`);
        if (last > idleMs) return;
        // A busy machine may have used it too seldom: then it was idle.
        assert.ok(longest > idleMs / 2, `used for ${last} ms, every ${longest} ms: renewed`);
      }
      assert.fail("too busy a machine to use a session often enough");
    } finally {
      await short.stop();
    }
  });

  it("are not brought back by a renewal that races with the logout", async () => {
    const idle = await startAuth("session", { OMNIAI_SESSION_IDLE_SECONDS: "1" });
    try {
      const user = await addUser();
      for (let round = 0; round < 10; round++) {
        const page = await Page.loggedIn(idle, user);
        await sleep(110);
        await Promise.all([
          page.ask("POST", "/api/auth/logout"),
          ...[0, 1, 2].map(() => page.ask("GET", "/api/auth/csrf")),
        ]);
        assert.equal(await page.isIn(), false);
      }
    } finally {
      await idle.stop();
    }
  });

  it("need the session's own CSRF token for everything that changes something", async () => {
    const user = await addUser();
    const [page, stranger] = [
      await Page.loggedIn(instance, user),
      await Page.loggedIn(instance, await addUser()),
    ];
    const event = { type: "t", topic: `user.${user.id}.x`, data: 1 };
    const post = (token: string): Promise<Answer> =>
      page.ask("POST", "/api/events", event, { "x-csrf-token": token });
    // Not the last letter of the signature: some of its bits mean nothing.
    const flipped = page.csrfToken.replace(/(?<=\.)./, (first) => (first === "A" ? "B" : "A"));
    const unsigned = `${page.csrfToken.split(".")[0]}.${"A".repeat(43)}`;
    for (const wrong of ["", "x", flipped, unsigned, stranger.csrfToken, page.csrfToken.repeat(2)]) {
      const answer = await post(wrong);
      assert.deepEqual([answer.status, slugOf(answer)], [403, "csrf-token-invalid"], wrong);
    }
    assert.equal((await post(page.csrfToken)).status, 201);
    const more = await page.ask<{ csrfToken: string }>("GET", "/api/auth/csrf");
    assert.notEqual(more.body.csrfToken, page.csrfToken);
    assert.equal((await post(more.body.csrfToken)).status, 201, "both are good");
    const before = page.csrfToken;
    await page.login(user.name);
    assert.equal((await post(before)).status, 403, "not those of the session before");
    const without = await page.ask("POST", "/api/auth/logout", undefined, { "x-csrf-token": "" });
    assert.equal(without.status, 403);
    assert.equal(await page.isIn(), true);
    assert.equal((await new Page(instance).ask("GET", "/api/auth/csrf")).status, 401);
  });

  it("take unsafe requests from their pages' exact origins only", async () => {
    const user = await addUser();
    const page = await Page.loggedIn(instance, user);
    const event = { type: "t", data: 1 };
    const { cookie, csrfToken } = page;
    const post = (headers: Record<string, string>): Promise<Answer> =>
      ask(instance, "POST", "/api/events", {
        body: event,
        headers: { cookie, "x-csrf-token": csrfToken, ...headers },
      });
    const bad = [
      "https://evil.example",
      "null",
      `${PAGE_ORIGIN}.evil`,
      "https://xpage.example",
      "http://page.example",
    ];
    for (const origin of [...bad, `${PAGE_ORIGIN}:8443`]) {
      const answer = await post({ origin });
      assert.deepEqual([answer.status, slugOf(answer)], [403, "origin-not-allowed"], origin);
      assert.equal(answer.headers.get("access-control-allow-origin"), null);
    }
    for (const site of ["cross-site", "same-site", "none"]) {
      const answer = await post({ "sec-fetch-site": site });
      assert.deepEqual([answer.status, slugOf(answer)], [403, "origin-unknown"], site);
    }
    assert.equal((await post({})).status, 403);
    assert.equal((await post({ "sec-fetch-site": "same-origin" })).status, 201);
    assert.equal((await post({ origin: instance.url })).status, 201, "its own host");
    const good = await post({ origin: PAGE_ORIGIN, "sec-fetch-site": "cross-site" });
    assert.equal(good.status, 201);
    assert.equal(good.headers.get("access-control-allow-origin"), PAGE_ORIGIN);
    assert.match(good.headers.get("vary") ?? "", /Origin/);
    assert.match(good.headers.get("vary") ?? "", /Sec-Fetch-Site/);
  });

  it("cannot be started by a page of another site", async () => {
    const user = await addUser();
    const body = { username: user.name, password: PASSWORD };
    const elsewhere: Record<string, string>[] = [
      { origin: "https://evil.example" },
      { "sec-fetch-site": "cross-site" },
      {},
    ];
    for (const headers of elsewhere) {
      const answer = await ask(instance, "POST", "/api/auth/login", { body, headers });
      assert.equal(answer.status, 403, JSON.stringify(headers));
      assert.equal(cookieOf(answer), "");
    }
    const text = await ask(instance, "POST", "/api/auth/login", {
      body: JSON.stringify(body),
      headers: { "content-type": "text/plain", origin: PAGE_ORIGIN },
    });
    assert.equal(text.status, 415);
  });

  it("are refused with one answer, as slowly, whether the user or the password is wrong", async () => {
    const quiet = await startAuth("session", { OMNIAI_LIMIT_LOGINS_PER_USER: "0" });
    try {
      const user = await addUser();
      const time = async (name: string): Promise<number> => {
        const started = performance.now();
        const answer = await new Page(quiet).login(name, "not the password");
        assert.equal(answer.status, 401);
        const { requestId: _, ...body } = answer.body;
        assert.deepEqual(body, {
          type: "urn:omniai:problem:wrong-credentials",
          title: "Wrong credentials",
          status: 401,
          detail: "The user name or the password is wrong.",
        });
        return performance.now() - started;
      };
      const times: { known: number[]; unknown: number[] } = { known: [], unknown: [] };
      for (let i = 0; i < 15; i++) {
        times.known.push(await time(user.name));
        times.unknown.push(await time(`nobody-${i}`));
      }
      const median = (all: number[]): number => all.sort((a, b) => a - b)[7] ?? 0;
      const ratio = median(times.unknown) / median(times.known);
      assert.ok(ratio > 0.6 && ratio < 1.7, `unknown to known: ${ratio}`);
    } finally {
      await quiet.stop();
    }
  });

  it("are refused as wrong, and never as an outage, whatever text the name is", async () => {
    for (const name of [
      "a\u0000b",
      "\ud800\u0000",
      "\ud800",
      "\u0001",
      "'; --",
      "\uffff",
      "x".repeat(64),
      " ",
    ]) {
      const answer = await new Page(instance).login(name, "not the password");
      assert.deepEqual([answer.status, slugOf(answer)], [401, "wrong-credentials"], JSON.stringify(name));
    }
  });

  it("answer 503, and never that nobody is logged in, while Redis is silent", async () => {
    const page = await Page.loggedIn(instance, await addUser());
    await servers.redis.pause();
    try {
      const answer = await page.ask("GET", "/api/auth/check");
      assert.deepEqual([answer.status, slugOf(answer)], [503, "auth-unavailable"]);
      assert.ok(Number(answer.headers.get("retry-after")) >= 1);
    } finally {
      await servers.redis.unpause();
    }
    await eventually("back", () => page.isIn());
  });

  it("are not there in mode none, which stays as open as it was", async () => {
    const open = await startInstance();
    try {
      assert.deepEqual((await ask(open, "GET", "/api/auth/check")).body, {
        authenticated: false,
        mode: "none",
      });
      for (const [method, path] of [
        ["POST", "/api/auth/login"],
        ["POST", "/api/auth/logout"],
        ["GET", "/api/auth/csrf"],
        ["POST", "/api/auth/refresh"],
        ["GET", "/api/auth/tokens"],
      ] as const) {
        const answer = await ask(open, method, path, { body: method === "POST" ? {} : undefined });
        assert.deepEqual([answer.status, slugOf(answer)], [404, "auth-off"], path);
      }
      assert.equal((await ask(open, "POST", "/api/events", { body: { type: "t", data: 1 } })).status, 201);
    } finally {
      await open.stop();
    }
  });
});
