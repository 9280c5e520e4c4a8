/** Authentication while PostgreSQL is paused: who is answered when, and what comes of it later. */
import { strict as assert } from "node:assert";
import { setTimeout as sleep } from "node:timers/promises";
import { hashPassword } from "../../src/auth/credentials/passwords.ts";
import { RefreshTokens } from "../../src/auth/stores/refresh-tokens.ts";
import { Users, type User } from "../../src/auth/stores/users.ts";
import { queryWithin, transactionWithin } from "../../src/platform/postgres.ts";
import {
  addUser,
  admitted,
  ask,
  bearer,
  loginTokens,
  Page,
  PAGE_ORIGIN,
  PASSWORD,
  startAuth,
  testPool,
} from "../support/auth.ts";
import { eventually, measured, whileItHolds, type Instance } from "../support/instance.ts";
import { poolOf } from "../support/pool.ts";
import { testServers, type TestServer } from "../support/servers.ts";

/** Of each kind: all kinds together are many more than the pool has connections. */
const EACH = 8;
/** What was sent before the pause ended is done by PostgreSQL within this time, in ms. */
const SETTLE_MS = 1000;

describe("authentication with PostgreSQL paused", function () {
  this.timeout(120_000);
  let postgres: TestServer;
  let instance: Instance;
  let user: User;

  before(async function () {
    this.timeout(120_000);
    ({ postgres } = await testServers());
    instance = await startAuth("both");
    user = await addUser();
  });
  after(() => instance?.stop());

  async function whilePaused<T>(work: () => Promise<T>): Promise<T> {
    await postgres.pause();
    try {
      return await work();
    } finally {
      await postgres.unpause();
    }
  }

  async function count(from: "api_tokens" | "token_families", userId: string): Promise<number> {
    const { rows } = await (
      await testPool()
    ).query<{ n: number }>(`SELECT count(*)::int AS n FROM ${from} WHERE user_id = $1`, [userId]);
    return rows[0]?.n ?? -1;
  }

  it("answers every first request 503 within 2 s, and does nothing of it afterwards", async () => {
    const own = bearer((await loginTokens(instance, user)).accessToken);
    const page = await Page.loggedIn(instance, await addUser());
    const times = Array.from({ length: EACH }, (_, n) => n);
    const refreshTokens = await Promise.all(
      times.map(async () => (await loginTokens(instance, await addUser())).refreshToken),
    );
    // One after the other: those of one user wait for each other.
    const secrets: string[] = [];
    for (let n = 0; n < 3 * EACH; n++) {
      const { body } = await admitted(() =>
        ask(instance, "POST", "/api/auth/tokens", {
          body: { name: `token ${n}`, scopes: ["events:read", "events:write"], days: 1 },
          headers: own,
        }),
      );
      secrets.push(String(body.token));
    }
    const [publishers, pollers, lookers] = [0, 1, 2].map((n) => secrets.slice(n * EACH, (n + 1) * EACH));
    const origin = { origin: PAGE_ORIGIN };
    const login = { username: user.name, password: PASSWORD };
    const token = { name: "late", scopes: ["events:read"], days: 1 };
    const kinds: Record<string, (n: number) => Promise<{ status: number }>> = {
      "login of a session": () =>
        ask(instance, "POST", "/api/auth/login", { body: { ...login, kind: "session" }, headers: origin }),
      "login for tokens": () =>
        ask(instance, "POST", "/api/auth/login", { body: { ...login, kind: "token" } }),
      refresh: (n) =>
        ask(instance, "POST", "/api/auth/refresh", { body: { refreshToken: refreshTokens[n] } }),
      "new token": () => ask(instance, "POST", "/api/auth/tokens", { body: token, headers: own }),
      "new token of a session": () => page.ask("POST", "/api/auth/tokens", token),
      "list of tokens": () => ask(instance, "GET", "/api/auth/tokens", { headers: own }),
      "post with an API token": (n) =>
        ask(instance, "POST", "/api/events", {
          body: { type: "t", data: 1 },
          headers: bearer(publishers?.[n] ?? ""),
        }),
      "poll with an API token": (n) =>
        ask(instance, "GET", "/api/events/poll", { headers: bearer(pollers?.[n] ?? "") }),
    };
    const before = await count("api_tokens", user.id);
    await whilePaused(async () => {
      const { result: answers, lateMs } = await measured(() =>
        Promise.all(
          Object.entries(kinds).flatMap(([kind, send]) =>
            times.map(async (n) => {
              const started = performance.now();
              const { status } = await send(n);
              return { kind, status, ms: Math.round(performance.now() - started) };
            }),
          ),
        ),
      );
      assert.deepEqual(
        answers.filter(({ status, ms }) => status !== 503 || ms >= 2000 + lateMs),
        [],
      );
      // Who asks hardly matters here, and what is asked is answered without PostgreSQL.
      const started = performance.now();
      const { result: looks, lateMs: laterMs } = await measured(() =>
        Promise.all(
          (lookers ?? []).map((secret) => ask(instance, "GET", "/api/diag", { headers: bearer(secret) })),
        ),
      );
      assert.deepEqual(new Set(looks.map(({ status }) => status)), new Set([200]));
      assert.ok(performance.now() - started < 2000 + laterMs);
    });
    await sleep(SETTLE_MS);
    assert.equal(await count("api_tokens", user.id), before, "tokens that nobody was told");
    // The same ones again: nothing that was refused has used them up.
    const again = (kind: string, n: number) => admitted(() => kinds[kind]?.(n) ?? assert.fail());
    for (const n of times) assert.equal((await again("refresh", n)).status, 200);
    assert.equal((await again("post with an API token", 0)).status, 201);
  });

  it("carries out nothing later of what was refused", async () => {
    const pool = await poolOf(10);
    try {
      const users = new Users(pool);
      const families = new RefreshTokens(pool, "secret", 60_000, 60_000);
      const name = `late-${process.pid}`;
      const hash = await hashPassword(PASSWORD);
      // Where a busy machine did not answer in the time that a request has, it is asked again.
      const find = (whom: string) => whileItHolds(1000, () => users.findByName(whom));
      const known = await find(user.name);
      // One connection for each of them, open before the pause.
      await Promise.all([1, 2, 3, 4].map(() => pool.query("SELECT pg_sleep(0.1)")));
      const before = await count("token_families", user.id);
      await whilePaused(() =>
        Promise.all(
          [
            families.createFamily(user.id),
            users.add(name, hash, []),
            users.setPassword(user.name, hash),
            users.disable(user.name),
          ].map((work) => assert.rejects(work, /did not answer within/)),
        ),
      );
      await sleep(SETTLE_MS);
      assert.equal(await count("token_families", user.id), before);
      assert.equal(await find(name), undefined);
      assert.deepEqual(await find(user.name), known);
    } finally {
      await pool.end();
    }
  });

  it("sends nothing on a connection that came too late, and keeps the connection", async () => {
    const pool = await poolOf(1);
    try {
      await pool.query("CREATE TABLE IF NOT EXISTS late (n int)");
      const held = await pool.connect();
      const add = "INSERT INTO late VALUES (1)";
      const works = [
        queryWithin(pool, 100, add),
        transactionWithin(pool, 100, (client) => client.query(add)),
      ];
      await Promise.all(works.map((work) => assert.rejects(work, /did not answer within 100 ms/)));
      held.release();
      const { rows } = await pool.query("SELECT * FROM late");
      assert.deepEqual(rows, []);
      assert.equal(pool.totalCount, 1);
      const again = await pool.connect();
      again.release();
      assert.equal(again, held);
    } finally {
      await pool.query("DROP TABLE late");
      await pool.end();
    }
  });

  it("asks nothing more in a transaction that was late", async () => {
    const pool = await poolOf(1);
    try {
      await pool.query("CREATE TABLE IF NOT EXISTS late (n int)");
      let then: unknown;
      const { promise: late, resolve: isLate } = Promise.withResolvers<void>();
      // Time enough for what has to be in it.
      await assert.rejects(
        transactionWithin(pool, 2000, async (client) => {
          await client.query("INSERT INTO late VALUES (1)");
          await late;
          then = await client.query("INSERT INTO late VALUES (2)").catch((error: unknown) => error);
        }),
        /did not answer within 2000 ms/,
      );
      isLate();
      await eventually("it was refused", () => then !== undefined);
      assert.ok(then instanceof Error);
      assert.deepEqual((await pool.query("SELECT * FROM late")).rows, []);
    } finally {
      await pool.query("DROP TABLE late");
      await pool.end();
    }
  });
});
