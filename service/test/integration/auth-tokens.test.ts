/** Access tokens, refresh tokens and API tokens over HTTP. */
import { strict as assert } from "node:assert";
import { createHash, randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { decodeJwt, SignJWT } from "jose";
import { deriveKey, hashToken } from "../../src/auth/credentials/secrets.ts";
import {
  addUser,
  admitted,
  ask,
  bearer,
  endLeeway,
  loginTokens,
  Page,
  PASSWORD,
  slugOf,
  startAuth,
  testPool,
  waiting,
  type Answer,
  type Tokens,
} from "../support/auth.ts";
import { eventually, promised, whileItHolds, type Instance } from "../support/instance.ts";
import { testServers, type Servers } from "../support/servers.ts";

const event = { type: "t", data: 1 };

describe("tokens", function () {
  this.timeout(120_000);
  let servers: Servers;
  let instance: Instance;
  let other: Instance;
  const post = (token: string, at: Instance = instance): Promise<Answer> =>
    ask(at, "POST", "/api/events", { body: event, headers: bearer(token) });
  const refresh = (
    refreshToken: string,
    at: Instance = instance,
  ): Promise<Answer<Tokens & { type: string }>> =>
    ask(at, "POST", "/api/auth/refresh", { body: { refreshToken } });

  before(async function () {
    this.timeout(120_000);
    servers = await testServers();
    [instance, other] = await Promise.all([startAuth("both"), startAuth("both")]);
  });
  after(() => Promise.all([instance?.stop(), other?.stop()]));

  it("of access let their user in on every replica, without a cookie and without a CSRF token", async () => {
    const user = await addUser();
    const { accessToken } = await loginTokens(instance, user);
    assert.equal((await post(accessToken)).status, 201);
    assert.equal((await post(accessToken, other)).status, 201);
    const check = await ask(other, "GET", "/api/auth/check", { headers: bearer(accessToken) });
    assert.equal(check.body.via, "access");
    assert.deepEqual(check.body.user, { id: user.id, name: user.name });
  });

  it("of access are short-lived", async () => {
    const brief = await startAuth("token", { OMNIAI_ACCESS_SECONDS: "1" });
    try {
      const user = await addUser();
      const accessToken = await whileItHolds(1000, async () => {
        const tokens = await loginTokens(brief, user);
        assert.equal((await post(tokens.accessToken, brief)).status, 201);
        return tokens.accessToken;
      });
      const { iat = 0, exp = 0 } = decodeJwt(accessToken);
      assert.ok(Math.abs(exp - iat - 1) < 0.001);
      await sleep(1300);
      const late = await post(accessToken, brief);
      assert.deepEqual([late.status, slugOf(late)], [401, "invalid-token"]);
      assert.match(late.headers.get("www-authenticate") ?? "", /^Bearer .*error="invalid_token"/);
    } finally {
      await brief.stop();
    }
  });

  it("that are forged, foreign or unsigned are refused", async () => {
    const user = await addUser();
    const { accessToken } = await loginTokens(instance, user);
    const [header = "", payload = "", signature = ""] = accessToken.split(".");
    const secret = "a-secret-of-the-tests-that-signs-nothing-else";
    const sign = (key: Uint8Array, change: (jwt: SignJWT) => SignJWT, typ = "at+jwt"): Promise<string> => {
      const claims = decodeJwt(accessToken);
      const jwt = new SignJWT(claims).setProtectedHeader({ alg: "HS256", typ });
      return change(jwt).sign(key);
    };
    const key = deriveKey(secret, "access tokens");
    assert.equal((await post(await sign(key, (jwt) => jwt))).status, 201, "the same by hand is good");
    const none = Buffer.from('{"alg":"none","typ":"at+jwt"}').toString("base64url");
    const admin = Buffer.from(JSON.stringify({ ...decodeJwt(accessToken), scope: "diag:read" })).toString(
      "base64url",
    );
    const wrong = [
      "",
      "x",
      `${none}.${payload}.`,
      `${header}.${admin}.${signature}`,
      await sign(Buffer.from(secret), (jwt) => jwt),
      await sign(deriveKey(secret, "csrf"), (jwt) => jwt),
      await sign(key, (jwt) => jwt.setIssuer("urn:omniai:elsewhere")),
      await sign(key, (jwt) => jwt.setAudience("others")),
      await sign(key, (jwt) => jwt, "JWT"),
      await sign(key, (jwt) => jwt.setExpirationTime(1)),
      `omniai_pat_${"A".repeat(43)}`,
    ];
    for (const token of wrong) assert.equal((await post(token)).status, 401, token);
    for (const authorization of ["Basic dTpw", "Bearer", "bearer a b"]) {
      const answer = await ask(instance, "POST", "/api/events", { body: event, headers: { authorization } });
      assert.equal(answer.status, 401, authorization);
    }
  });

  it("decide alone when a cookie comes with them", async () => {
    const page = await Page.loggedIn(instance, await addUser());
    const user = await addUser();
    const { accessToken } = await loginTokens(instance, user);
    const headers = { cookie: page.cookie, ...bearer(accessToken) };
    const check = await ask(instance, "GET", "/api/auth/check", { headers });
    assert.deepEqual(check.body.user, { id: user.id, name: user.name });
    assert.equal((await ask(instance, "POST", "/api/events", { body: event, headers })).status, 201);
    const bad = await ask(instance, "GET", "/api/auth/check", {
      headers: { cookie: page.cookie, ...bearer("x") },
    });
    assert.equal(bad.status, 401, "a bad one is not made up for by the cookie");
  });

  it("of refresh can be used once, and give the next one", async () => {
    const first = await loginTokens(instance, await addUser());
    const second = await refresh(first.refreshToken, other);
    assert.equal(second.status, 200);
    assert.notEqual(second.body.refreshToken, first.refreshToken);
    assert.equal((await post(second.body.accessToken)).status, 201);
    assert.equal((await refresh(second.body.refreshToken)).status, 200);
  });

  it("of refresh that come again after their leeway end the whole login, on every replica", async () => {
    const user = await addUser();
    const first = await loginTokens(instance, user);
    const apart = await loginTokens(instance, user);
    const { body: second } = await refresh(first.refreshToken);
    await endLeeway(first.refreshToken);
    const reused = await refresh(first.refreshToken, other);
    assert.deepEqual([reused.status, reused.body.type], [401, "urn:omniai:problem:invalid-refresh-token"]);
    assert.equal((await refresh(second.refreshToken)).status, 401, "whoever has the newest is out as well");
    for (const { accessToken } of [first, second]) {
      assert.equal((await post(accessToken)).status, 401);
      assert.equal((await post(accessToken, other)).status, 401);
    }
    assert.equal((await post(apart.accessToken)).status, 201, "another login goes on");
    const rows = await (
      await testPool()
    ).query<{ detail: { reason: string } }>(
      "SELECT detail FROM audit_log WHERE user_id = $1 AND action = 'refresh' AND outcome = 'refused'",
      [user.id],
    );
    assert.deepEqual(
      rows.rows.map(({ detail }) => detail.reason),
      ["reused"],
    );
  });

  it("of refresh that come several times at once give the same next one, which is good", async () => {
    const { refreshToken } = await loginTokens(instance, await addUser());
    // They wait for each other in PostgreSQL, each on a connection of its own: on a busy machine for longer than a request may.
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, n) => admitted(() => refresh(refreshToken, n % 2 ? instance : other))),
    );
    assert.deepEqual(
      answers.map(({ status }) => status),
      answers.map(() => 200),
    );
    const next = new Set(answers.map(({ body }) => body.refreshToken));
    assert.equal(next.size, 1, "one family goes on");
    for (const { body } of answers) {
      const check = await ask(other, "GET", "/api/auth/check", { headers: bearer(body.accessToken) });
      assert.equal(check.body.authenticated, true);
    }
    assert.equal((await refresh([...next].join())).status, 200);
  });

  it("of refresh leave no more behind than is needed to know a copy again, however often they are used", async () => {
    const { refreshToken } = await loginTokens(instance, await addUser());
    const pool = await testPool();
    const family = "(SELECT family_id FROM refresh_tokens WHERE hash = $1)";
    await pool.query(
      `INSERT INTO refresh_tokens (hash, family_id, created_at, used_at)
       SELECT sha256(gen_random_uuid()::text::bytea), ${family}, now() - make_interval(mins => 12 * n), now() - make_interval(mins => 12 * n)
       FROM generate_series(2, 241) n`,
      [hashToken(refreshToken)],
    );
    assert.equal((await refresh(refreshToken)).status, 200);
    const { rows } = await pool.query<{ used: string; oldest: number }>(
      `SELECT count(used_at) AS used, extract(epoch FROM now() - min(created_at))::int / 60 AS oldest
       FROM refresh_tokens WHERE family_id = ${family}`,
      [hashToken(refreshToken)],
    );
    assert.deepEqual(rows, [{ used: "200", oldest: 12 * 200 }]);
  });

  for (const [what, count, next] of [
    ["few enough, and the first that comes again ends the login", 150, 200],
    ["too many, and end the login", 400, 401],
  ] as const)
    it(`of refresh that are used very quickly are ${what}`, async () => {
      const first = await loginTokens(instance, await addUser());
      const { body: second } = await refresh(first.refreshToken);
      await endLeeway(first.refreshToken);
      await (
        await testPool()
      ).query(
        `INSERT INTO refresh_tokens (hash, family_id, used_at)
         SELECT sha256(gen_random_uuid()::text::bytea), family_id, now() FROM refresh_tokens, generate_series(1, $2)
         WHERE hash = $1`,
        [hashToken(second.refreshToken), count],
      );
      const third = await refresh(second.refreshToken);
      assert.equal(third.status, next);
      assert.equal((await refresh(first.refreshToken)).status, 401);
      for (const { accessToken } of [first, second]) assert.equal((await post(accessToken)).status, 401);
      if (next === 200) assert.equal((await refresh(third.body.refreshToken)).status, 401);
    });

  it("of refresh are in so many families of a user: a new login ends the one that was not used for longest", async () => {
    const user = await addUser();
    const first = await loginTokens(instance, user);
    const pool = await testPool();
    await pool.query(
      `WITH f AS (INSERT INTO token_families (user_id, expires_at, revoked_at)
           SELECT $1, now() + interval '1 day', CASE WHEN n > 57 THEN now() END FROM generate_series(1, 60) n RETURNING id)
       INSERT INTO refresh_tokens (hash, family_id, created_at)
       SELECT sha256(id::text::bytea), id, now() - make_interval(hours => row_number() OVER ()::int) FROM f`,
      [user.id],
    );
    await Promise.all([loginTokens(instance, user), loginTokens(other, user)]);
    await loginTokens(instance, user);
    const { rows } = await pool.query<{ all: string; ended: string; oldest: number }>(
      `SELECT count(*) AS all, count(revoked_at) AS ended, max(extract(epoch FROM now() - t.created_at)::int / 3600) AS oldest
       FROM token_families f JOIN refresh_tokens t ON t.family_id = f.id WHERE f.user_id = $1`,
      [user.id],
    );
    assert.deepEqual(rows, [{ all: "50", ended: "0", oldest: 46 }]);
    assert.equal((await refresh(first.refreshToken)).status, 200);
  });

  it("of refresh that come again soon give the newest of their login", async () => {
    const { refreshToken } = await loginTokens(instance, await addUser());
    const { body: second } = await refresh(refreshToken);
    const { body: third } = await refresh(second.refreshToken, other);
    const late = await refresh(refreshToken, other);
    assert.deepEqual([late.status, late.body.refreshToken], [200, third.refreshToken]);
    assert.equal((await refresh(third.refreshToken)).status, 200);
  });

  it("of refresh that come again soon are refused after a logout", async () => {
    const { refreshToken } = await loginTokens(instance, await addUser());
    const { body } = await refresh(refreshToken);
    await ask(instance, "POST", "/api/auth/logout", { headers: bearer(body.accessToken) });
    assert.equal((await refresh(refreshToken)).status, 401);
  });

  it("of refresh can be sent again after a 503 whose work PostgreSQL did nevertheless", async () => {
    const { refreshToken } = await loginTokens(instance, await addUser());
    const client = await (await testPool()).connect();
    try {
      await client.query("BEGIN");
      await client.query("SELECT 1 FROM refresh_tokens WHERE hash = $1 FOR UPDATE", [
        hashToken(refreshToken),
      ]);
      assert.equal((await refresh(refreshToken)).status, 503);
      await client.query("COMMIT");
      await eventually("the abandoned rotation", async () => {
        const { rows } = await client.query<{ used: boolean }>(
          "SELECT used_at IS NOT NULL AS used FROM refresh_tokens WHERE hash = $1",
          [hashToken(refreshToken)],
        );
        return rows[0]?.used === true;
      });
    } finally {
      client.release();
    }
    const again = await refresh(refreshToken, other);
    assert.equal(again.status, 200);
    assert.equal((await post(again.body.accessToken)).status, 201);
    assert.equal((await refresh(again.body.refreshToken)).status, 200);
  });

  it("of refresh end", async () => {
    const brief = await startAuth("token", { OMNIAI_REFRESH_SECONDS: "1" });
    try {
      const first = await loginTokens(brief, await addUser());
      await sleep(1100);
      assert.equal((await refresh(first.refreshToken, brief)).status, 401);
    } finally {
      await brief.stop();
    }
  });

  it("end with a logout, which needs no CSRF token either", async () => {
    const { accessToken, refreshToken } = await loginTokens(instance, await addUser());
    assert.equal(
      (await ask(instance, "POST", "/api/auth/logout", { headers: bearer(accessToken) })).status,
      204,
    );
    assert.equal((await post(accessToken, other)).status, 401);
    assert.equal((await refresh(refreshToken)).status, 401);
  });

  describe("of a person for programs", () => {
    interface Created extends Record<string, unknown> {
      readonly id: string;
      readonly token: string;
      readonly expiresAt: string;
    }
    const create = (page: Page, body: object): Promise<Answer<Created>> =>
      page.ask<Created>("POST", "/api/auth/tokens", body);

    it("are shown once, kept as SHA-256, listed with an end and their last use, and revoked everywhere", async () => {
      const user = await addUser();
      const page = await Page.loggedIn(instance, user);
      const { status, body, headers } = await create(page, { name: "CI", scopes: ["events:write"], days: 7 });
      assert.equal(status, 201);
      assert.equal(headers.get("cache-control"), "no-store");
      const days = (Date.parse(body.expiresAt) - Date.now()) / 86_400_000;
      assert.ok(days > 6.9 && days < 7.1);
      const pool = await testPool();
      const { rows } = await pool.query<{ hash: Buffer; row: string }>(
        "SELECT hash, to_json(t)::text AS row FROM api_tokens t WHERE id = $1",
        [body.id],
      );
      assert.deepEqual(rows[0]?.hash, createHash("sha256").update(body.token).digest());
      assert.ok(!rows[0]?.row.includes(body.token));

      assert.equal((await post(body.token)).status, 201);
      assert.equal((await post(body.token, other)).status, 201);
      const list = async (): Promise<{ id: string; lastUsedAt: string | null }[]> =>
        (await page.ask<{ tokens: { id: string; lastUsedAt: string | null }[] }>("GET", "/api/auth/tokens"))
          .body.tokens;
      await eventually("last use", async () => (await list())[0]?.lastUsedAt !== null);
      assert.ok(!JSON.stringify(await list()).includes(body.token));

      assert.equal((await page.ask("DELETE", `/api/auth/tokens?id=${body.id}`)).status, 204);
      assert.equal((await post(body.token)).status, 401);
      assert.deepEqual(await list(), []);
      assert.equal((await page.ask("DELETE", `/api/auth/tokens?id=${body.id}`)).status, 404);
    });

    it("that are revoked let nobody in within a second on a replica that remembers them", async () => {
      const page = await Page.loggedIn(instance, await addUser());
      await promised(1000, async () => {
        const { body } = await create(page, { name: "x", scopes: ["events:write"] });
        assert.equal((await post(body.token, other)).status, 201);
        assert.equal((await page.ask("DELETE", `/api/auth/tokens?id=${body.id}`)).status, 204);
        const since = performance.now();
        // It remembers it until the announcement is there.
        await eventually("revoked", async () => (await post(body.token, other)).status === 401);
        return [performance.now() - since];
      });
    });

    it("have some of their user's scopes, and nothing beyond", async () => {
      const page = await Page.loggedIn(instance, await addUser());
      const tooMuch = await create(page, { name: "x", scopes: ["diag:read"] });
      assert.deepEqual([tooMuch.status, slugOf(tooMuch)], [403, "insufficient-scope"]);
      const { body } = await create(page, { name: "reader", scopes: ["events:read"] });
      const refused = await post(body.token);
      assert.deepEqual([refused.status, slugOf(refused)], [403, "insufficient-scope"]);
      for (const [method, path] of [
        ["GET", "/api/auth/tokens"],
        ["POST", "/api/auth/tokens"],
        ["DELETE", "/api/auth/tokens?id=x"],
      ] as const) {
        const answer = await ask(instance, method, path, { headers: bearer(body.token) });
        assert.deepEqual([answer.status, slugOf(answer)], [403, "login-needed"], method);
      }
    });

    it("can be guessed a limited number of times, which does not limit a valid one", async () => {
      const guarded = await startAuth("token", {
        OMNIAI_LIMIT_BAD_TOKENS_PER_MINUTE: "3",
        OMNIAI_TRUST_PROXY_HOPS: "1",
      });
      let addresses = 0;
      const postFrom = async (address: string, token: string): Promise<number> =>
        (
          await ask(guarded, "POST", "/api/events", {
            body: event,
            headers: { ...bearer(token), "x-forwarded-for": address },
          })
        ).status;
      try {
        const { accessToken } = await loginTokens(guarded, await addUser());
        const { body: made } = await ask<{ token: string }>(guarded, "POST", "/api/auth/tokens", {
          body: { name: "x", scopes: ["events:write"] },
          headers: bearer(accessToken),
        });
        assert.equal((await post(made.token, guarded)).status, 201);
        const guess = (): string => `omniai_pat_${randomBytes(32).toString("base64url")}`;
        // A replica remembers for five seconds that a token is nobody's.
        await whileItHolds(5000, async () => {
          const address = `192.0.2.${100 + ++addresses}`;
          const same = guess();
          const statuses: number[] = [];
          for (const token of [same, same, same, guess(), guess(), guess(), guess(), same])
            statuses.push(await postFrom(address, token));
          assert.deepEqual(statuses, [401, 401, 401, 401, 401, 429, 429, 401]);
        });
        const together = await Promise.all(
          Array.from({ length: 60 }, () =>
            ask(guarded, "GET", "/api/diag", {
              headers: { ...bearer(guess()), "x-forwarded-for": "192.0.2.7" },
            }),
          ),
        );
        // On a busy machine PostgreSQL may not say in time that there is none: then it is answered as nobody's.
        const looked = together.filter(({ status }) => status !== 429).length;
        assert.ok(looked >= 3 && looked <= 8, `${looked} of those that came together were looked up`);
        assert.equal((await post(made.token, guarded)).status, 201);
      } finally {
        await guarded.stop();
      }
    });

    it("are guessed with streams as seldom, which are told within the stream to come back later", async () => {
      const guarded = await startAuth("token", { OMNIAI_LIMIT_BAD_TOKENS_PER_MINUTE: "2" });
      try {
        const follow = async (): Promise<[number, string]> => {
          const guess = `omniai_pat_${randomBytes(32).toString("base64url")}`;
          const response = await fetch(`${guarded.url}/api/events`, { headers: bearer(guess) });
          return [response.status, await response.text()];
        };
        assert.deepEqual([(await follow())[0], (await follow())[0]], [401, 401]);
        for (let i = 0; i < 2; i++) {
          const [status, text] = await follow();
          assert.equal(status, 200, "a native EventSource never comes back from anything else");
          assert.match(text, /event: bye\ndata: \{"reason":"busy"/);
        }
        const diag = await ask(guarded, "GET", "/api/diag", {
          headers: bearer(`omniai_pat_${randomBytes(32).toString("base64url")}`),
        });
        assert.equal(diag.status, 429, "other requests hear of the limit");
      } finally {
        await guarded.stop();
      }
    });

    it("end", async () => {
      const page = await Page.loggedIn(instance, await addUser());
      const { body } = await create(page, { name: "x", scopes: ["events:write"], days: 1 });
      const pool = await testPool();
      await whileItHolds(1000, async () => {
        await pool.query("UPDATE api_tokens SET expires_at = now() + interval '1 second' WHERE id = $1", [
          body.id,
        ]);
        assert.equal((await post(body.token)).status, 201);
      });
      await sleep(1200);
      assert.equal((await post(body.token)).status, 401);
    });

    it("cannot be seen or revoked by another user", async () => {
      const [mine, theirs] = [
        await Page.loggedIn(instance, await addUser()),
        await Page.loggedIn(instance, await addUser()),
      ];
      const { body } = await create(mine, { name: "x", scopes: ["events:write"] });
      assert.deepEqual((await theirs.ask("GET", "/api/auth/tokens")).body, { tokens: [] });
      assert.equal((await theirs.ask("DELETE", `/api/auth/tokens?id=${body.id}`)).status, 404);
      assert.equal((await post(body.token)).status, 201);
    });

    it("are never more than one user may have, however many are asked for at once", async () => {
      const user = await addUser();
      const pages = [await Page.loggedIn(instance, user), await Page.loggedIn(other, user)];
      const wanted = { name: "wanted", scopes: ["events:write"] };
      const pool = await testPool();
      await pool.query(
        `INSERT INTO api_tokens (user_id, name, hash, scopes, expires_at)
         SELECT $1, 'x', sha256(gen_random_uuid()::text::bytea), '{events:write}', now() + interval '1 day'
         FROM generate_series(1, 49)`,
        [user.id],
      );
      // No request waits for PostgreSQL for longer. There is room for one, and only two ask: more would need new connections
      // to PostgreSQL, which a busy machine does not open in that time.
      await whileItHolds(1000, async () => {
        await pool.query("DELETE FROM api_tokens WHERE user_id = $1 AND name = $2", [user.id, wanted.name]);
        const client = await pool.connect();
        const asked: ReturnType<typeof create>[] = [];
        try {
          // All have counted before the first is stored, if they count without waiting for each other.
          await client.query("BEGIN");
          await client.query("SELECT 1 FROM users WHERE id = $1 FOR UPDATE", [user.id]);
          for (const page of pages) asked.push(create(page, wanted));
          await waiting(client, asked);
          await client.query("COMMIT");
          const statuses = (await Promise.all(asked)).map(({ status }) => status).sort();
          assert.deepEqual(statuses, [201, 409]);
        } finally {
          // Also ends what is still open where the attempt has failed.
          client.release(true);
          // Or they would store theirs among those of the next attempt.
          await Promise.allSettled(asked);
        }
      });
    });

    it("are refused for an invalid request, and when there are too many", async () => {
      const page = await Page.loggedIn(instance, await addUser());
      const good = { name: "x", scopes: ["events:write"] };
      const bad: unknown[] = [
        {},
        { ...good, more: 1 },
        { ...good, name: "" },
        { ...good, name: "a\u001b[31m" },
        { ...good, name: "x".repeat(101) },
        { ...good, scopes: [] },
        { ...good, scopes: ["all"] },
        { ...good, scopes: ["events:read", "events:read"] },
        { ...good, days: 0 },
        { ...good, days: 367 },
        { ...good, days: 1.5 },
      ];
      for (const body of bad) assert.equal((await page.ask("POST", "/api/auth/tokens", body)).status, 400);
      assert.equal((await page.ask("DELETE", "/api/auth/tokens?id=1%20OR%201")).status, 400);
      for (let i = 0; i < 50; i++) assert.equal((await create(page, good)).status, 201);
      assert.equal((await create(page, good)).status, 409);
    });
  });

  it("are only where the mode has them", async () => {
    const [session, token] = await Promise.all([startAuth("session"), startAuth("token")]);
    try {
      const user = await addUser();
      const { accessToken } = await loginTokens(token, user);
      assert.equal((await post(accessToken, session)).status, 401);
      const asked = await ask(session, "POST", "/api/auth/login", {
        body: { username: user.name, password: PASSWORD, kind: "token" },
      });
      assert.deepEqual([asked.status, slugOf(asked)], [400, "login-kind-off"]);
      const page = new Page(token);
      const login = await page.login(user.name);
      const cookies = login.headers.getSetCookie().map((cookie) => cookie.split("=")[0]);
      assert.deepEqual(cookies, ["__Host-device"], "tokens are the only kind in mode token");
      assert.equal((await ask(token, "GET", "/api/auth/csrf")).status, 404);
      const cookie = (await Page.loggedIn(session, user)).cookie;
      const check = await ask(token, "GET", "/api/auth/check", { headers: { cookie } });
      assert.equal(check.body.authenticated, false);
    } finally {
      await Promise.all([session.stop(), token.stop()]);
    }
  });

  it("answer 503 while PostgreSQL is silent, and never that a token is wrong", async () => {
    const page = await Page.loggedIn(instance, await addUser());
    const { body } = await page.ask<{ token: string }>("POST", "/api/auth/tokens", {
      name: "x",
      scopes: ["events:write"],
    });
    const { refreshToken } = await loginTokens(instance, await addUser());
    await servers.postgres.pause();
    try {
      const answers = await Promise.all([post(body.token), refresh(refreshToken)]);
      assert.deepEqual(
        answers.map(({ status }) => status),
        [503, 503],
      );
      assert.equal(await page.isIn(), true, "sessions do not need it");
    } finally {
      await servers.postgres.unpause();
    }
    await eventually("back", async () => (await post(body.token)).status === 201);
  });
});
