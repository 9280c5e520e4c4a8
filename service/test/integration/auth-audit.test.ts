/** The audit log: what is written down, and that no secret is. */
import { strict as assert } from "node:assert";
import { Writable } from "node:stream";
import { loadConfig } from "../../src/platform/env/config.ts";
import { createLogger } from "../../src/platform/logging.ts";
import { startService, type Service } from "../../src/service.ts";
import {
  addUser,
  ask,
  authEnvironment,
  bearer,
  loginTokens,
  Page,
  PASSWORD,
  startAuth,
  testPool,
} from "../support/auth.ts";
import { runEntry } from "../support/entry.ts";
import { eventually, testEnvironment } from "../support/instance.ts";
import { testServers } from "../support/servers.ts";

const WRONG = "not the password";

describe("the audit log", function () {
  this.timeout(120_000);

  interface Row {
    readonly action: string;
    readonly outcome: string;
    readonly address: string | null;
    readonly request_id: string | null;
    readonly detail: Record<string, unknown>;
  }
  before(async function () {
    // The first of all: the servers of the run start here, and not within a test.
    this.timeout(120_000);
    await testServers();
  });

  const rowsOf = async (userId: string): Promise<Row[]> =>
    (
      await (
        await testPool()
      ).query<Row>(
        "SELECT action, outcome, address, request_id, detail FROM audit_log WHERE user_id = $1 ORDER BY id",
        [userId],
      )
    ).rows;

  it("has a row and a line for each login, refusal, and change of tokens and users, and no secret in any", async () => {
    let log = "";
    const sink = new Writable({
      write: (text: Buffer, _encoding, done) => {
        log += text.toString();
        done();
      },
    });
    const config = loadConfig(
      await testEnvironment({ OMNIAI_AUTH_MODE: "both", ...authEnvironment, OMNIAI_PORT: "0" }),
    );
    const service: Service = await startService(
      config,
      createLogger({ level: "debug", replica: "audited", build: "test" }, sink),
    );
    const instance = { url: `http://127.0.0.1:${await service.opened}` };
    try {
      const added = await runEntry(
        "user.ts",
        ["add", `audited-${process.pid}`, "--password-stdin"],
        `${PASSWORD}\n`,
      );
      assert.equal(added.code, 0, added.output);
      const { user } = JSON.parse(added.output) as { user: { id: string; name: string } };
      const page = await Page.loggedIn(instance, user);
      await page.login(user.name, WRONG);
      await page.ask("POST", "/api/events", { type: "t", data: 1 }, { "x-csrf-token": "forged" });
      // Whoever is refused does not wait for the row, which could come behind that of the next request.
      await eventually("the refusal", async () =>
        (await rowsOf(user.id)).some(({ action }) => action === "csrf"),
      );
      const { body: api } = await page.ask<{ id: string; token: string }>("POST", "/api/auth/tokens", {
        name: "CI",
        scopes: ["events:write"],
      });
      await ask(instance, "GET", "/api/auth/check", { headers: bearer(api.token) });
      await page.ask("DELETE", `/api/auth/tokens?id=${api.id}`);
      const tokens = await loginTokens(instance, user);
      const { body: next } = await ask<{ refreshToken: string; accessToken: string }>(
        instance,
        "POST",
        "/api/auth/refresh",
        { body: { refreshToken: tokens.refreshToken } },
      );
      await page.ask("POST", "/api/auth/logout");
      assert.equal((await runEntry("user.ts", ["disable", user.name])).code, 0);
      await page.login(user.name);

      const rows = await rowsOf(user.id);
      assert.deepEqual(
        rows.map(({ action, outcome, detail }) =>
          `${action} ${outcome} ${typeof detail.reason === "string" ? detail.reason : ""}`.trim(),
        ),
        [
          "user.add done",
          "login done",
          "login refused wrong password",
          "csrf refused csrf-token-invalid",
          "token.create done",
          "token.revoke done",
          "login done",
          "refresh done",
          "logout done",
          "user.disable done",
          "login refused disabled",
        ],
      );
      for (const { action, address, request_id } of rows) {
        if (!action.startsWith("user."))
          assert.deepEqual([address, request_id === null], ["127.0.0.1", false]);
      }
      const lines = log
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as { msg: string; audit?: { action: string; userId?: string } });
      const audited = lines.filter(({ msg, audit }) => msg === "audit" && audit?.userId === user.id);
      assert.equal(audited.length, rows.length - 2, "all but those of the command, which ran elsewhere");

      const stored = JSON.stringify(
        (await (await testPool()).query("SELECT to_json(a) FROM audit_log a")).rows,
      );
      const secrets = [
        PASSWORD,
        WRONG,
        page.cookie.split("=")[1],
        page.csrfToken,
        api.token,
        tokens.accessToken,
        tokens.refreshToken,
        next.accessToken,
        next.refreshToken,
        config.auth.secret,
      ];
      for (const secret of secrets) {
        assert.ok(secret !== undefined && secret.length > 8);
        assert.ok(!log.includes(secret), `in the log: ${secret}`);
        assert.ok(!stored.includes(secret), `in the audit log: ${secret}`);
      }
    } finally {
      await service.stop();
    }
  });

  it("has refusals of tokens, scopes, topics, origins and limits, so many of an address and no more", async () => {
    const instance = await startAuth("both", {
      OMNIAI_TRUST_PROXY_HOPS: "1",
      OMNIAI_LIMIT_LOGINS_PER_ADDRESS: "1",
    });
    const pool = await testPool();
    const address = `198.51.100.${(process.pid % 250) + 1}`;
    const from = { "x-forwarded-for": address };
    const rows = async (): Promise<string[]> =>
      (
        await pool.query<{ row: string }>(
          `SELECT action || ' ' || outcome || ' ' || (detail->>'reason') || ' ' || (user_id IS NOT NULL) AS row
           FROM audit_log WHERE address = $1 AND outcome = 'refused' ORDER BY id`,
          [address],
        )
      ).rows.map(({ row }) => row);
    try {
      const { accessToken } = await loginTokens(instance, await addUser(["events:read"]));
      const event = { type: "t", data: 1 };
      const asks: [string, string, unknown, Record<string, string>][] = [
        ["GET", "/api/auth/check", undefined, bearer("forged")],
        ["POST", "/api/events", event, bearer(accessToken)],
        ["GET", "/api/events?topics=user.somebody.*", undefined, bearer(accessToken)],
        ["POST", "/api/auth/login", { username: "x", password: "y" }, { origin: "https://evil.example" }],
        ["POST", "/api/auth/login", { username: "nobody-1", password: WRONG, kind: "token" }, {}],
        ["POST", "/api/auth/login", { username: "nobody-2", password: WRONG, kind: "token" }, {}],
      ];
      for (const [n, [method, path, body, headers]] of asks.entries()) {
        await ask(instance, method, path, { body, headers: { ...headers, ...from } });
        await eventually(`row ${n}`, async () => (await rows()).length === n + 1);
      }
      assert.deepEqual(await rows(), [
        "access refused invalid-token false",
        "access refused insufficient-scope true",
        "access refused topic-not-allowed true",
        "login refused origin-not-allowed false",
        "login refused unknown user false",
        "login refused limit false",
      ]);
      for (let n = 0; n < 30; n++)
        await ask(instance, "GET", "/api/auth/check", { headers: { ...bearer("forged"), ...from } });
      await eventually("as many as are kept", async () => (await rows()).length >= 11);
      assert.equal((await rows()).length, 11, "ten of its own, and the failed login");
      await ask(instance, "GET", "/api/auth/check", {
        headers: { ...bearer("forged"), "x-forwarded-for": "198.51.100.255" },
      });
      await eventually("what was left out", async () => {
        const { rows: told } = await pool.query(
          "SELECT 1 FROM audit_log WHERE address = '198.51.100.255' AND (detail->>'skipped')::int = 25",
        );
        return told.length === 1;
      });
    } finally {
      await instance.stop();
    }
  });

  it("does not keep names that somebody only typed: they may be passwords", async () => {
    const instance = await startAuth("session");
    try {
      const typed = "my secret typed into the wrong field";
      assert.equal((await new Page(instance).login(typed, WRONG)).status, 401);
      const { rows } = await (
        await testPool()
      ).query("SELECT 1 FROM audit_log a WHERE to_json(a)::text LIKE $1", [`%${typed}%`]);
      assert.equal(rows.length, 0);
    } finally {
      await instance.stop();
    }
  });

  it("is cleaned up by age and by number, the oldest first, as are tokens that ended", async () => {
    const pool = await testPool();
    const user = await addUser();
    await pool.query("DELETE FROM audit_log");
    const insert = (age: string, count: number): Promise<unknown> =>
      pool.query(
        `INSERT INTO audit_log (at, replica, action, outcome, detail)
         SELECT now() - $1::interval, 'r', $3, 'done', '{}' FROM generate_series(1, $2)`,
        [age, count, age],
      );
    await insert("91 days", 700);
    await insert("89 days", 80);
    await insert("1 hour", 70);
    await pool.query(
      `WITH f AS (INSERT INTO token_families (user_id, expires_at, revoked_at)
                  VALUES ($1, now() - interval '1 day', null), ($1, now() + interval '1 day', null),
                         ($1, now() + interval '1 day', now() - interval '2 hours') RETURNING id)
       INSERT INTO refresh_tokens (hash, family_id) SELECT sha256(id::text::bytea), id FROM f`,
      [user.id],
    );
    const instance = await startAuth("session", {
      OMNIAI_AUDIT_MAX_ROWS: "100",
      OMNIAI_AUDIT_CLEANUP_SECONDS: "0.2",
    });
    try {
      const left = async (): Promise<string> =>
        (
          await pool.query<{ action: string; n: string }>(
            "SELECT action, count(*) AS n FROM audit_log GROUP BY action ORDER BY action",
          )
        ).rows
          .map(({ action, n }) => `${action}: ${n}`)
          .join(", ");
      await eventually("removed", async () => (await left()) === "1 hour: 70, 89 days: 30");
      const kept = async (table: string): Promise<number> =>
        (
          await pool.query(
            `SELECT 1 FROM ${table}${table === "token_families" ? " WHERE user_id = $1" : " t JOIN token_families f ON f.id = t.family_id WHERE f.user_id = $1"}`,
            [user.id],
          )
        ).rows.length;
      await eventually("families removed", async () => (await kept("token_families")) === 1);
      assert.equal(await kept("refresh_tokens"), 1);
    } finally {
      await instance.stop();
    }
  });
});
