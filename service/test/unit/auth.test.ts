/** Passwords, cookies, CSRF tokens, sessions in memory, and the configuration of authentication. */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { clearedCookie, sessionCookie, sessionIds } from "../../src/auth/credentials/cookies.ts";
import { BoundTokens } from "../../src/auth/credentials/bound-tokens.ts";
import {
  argon2Options,
  generatePassword,
  hashPassword,
  isPassword,
} from "../../src/auth/credentials/passwords.ts";
import { MemoryRevocations } from "../../src/auth/stores/revocations.ts";
import { randomToken, sessionKeyOf } from "../../src/auth/credentials/secrets.ts";
import { MemorySessionStore, Sessions } from "../../src/auth/stores/sessions.ts";
import { normalName, userNamePattern } from "../../src/auth/stores/users.ts";
import { ConfigError, loadConfig } from "../../src/platform/env/config.ts";

describe("passwords", function () {
  this.timeout(20_000);

  it("are argon2id with at least OWASP's first choice", async () => {
    assert.deepEqual(argon2Options, { algorithm: 2, memoryCost: 19_456, timeCost: 2, parallelism: 1 });
    const hash = await hashPassword("correct horse");
    assert.match(hash, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[^$]{22}\$[^$]{43}$/);
    assert.notEqual(hash, await hashPassword("correct horse"), "salted");
    assert.deepEqual(
      [await isPassword("correct horse", hash), await isPassword("Correct horse", hash)],
      [true, false],
    );
    assert.equal(await isPassword("", undefined), false, "nobody's");
    assert.equal(await isPassword("Ａ-password", await hashPassword("A-password")), true, "by NFKC");
    assert.match(generatePassword(), /^[A-Za-z0-9_-]{24}$/);
  });
});

describe("session cookies", () => {
  it("are found among other cookies, if they look like an id", () => {
    const [a, b] = [randomToken(), randomToken()];
    assert.deepEqual(sessionIds(`x=1; __Host-sid=${a}; __Host-sidx=${b}; sid=${b}`), [a]);
    assert.deepEqual(sessionIds(`__Host-sid=${a}; __Host-sid=${b}; __Host-sid=${a}`), [a, b]);
    for (const bad of [
      undefined,
      "",
      "__Host-sid=",
      `__Host-sid=${a}x`,
      '__Host-sid="x"',
      `__Host-sid=${"%0a".repeat(15)}`,
    ])
      assert.deepEqual(sessionIds(bad), []);
    const value = fc.oneof(fc.string(), fc.stringMatching(/^[A-Za-z0-9_-]{42,44}$/), fc.constant(a));
    const header = fc.array(
      value.map((text) => `__Host-sid=${text}`),
      { minLength: 1 },
    );
    let found = 0;
    fc.assert(
      fc.property(header, (cookies) => {
        const ids = sessionIds(cookies.join("; "));
        found += ids.length;
        for (const id of ids) assert.match(id, /^[\w-]{43}$/);
      }),
    );
    assert.ok(found > 0, "some of them are ids");
  });

  it("have the attributes that the prefix demands, in both site modes", () => {
    for (const site of ["same-site", "cross-site"] as const) {
      for (const cookie of [sessionCookie("id", site), clearedCookie(site)]) {
        assert.match(cookie, /; Path=\/; Secure; HttpOnly; /);
        assert.doesNotMatch(cookie, /Domain/i);
      }
    }
  });
});

describe("CSRF tokens", () => {
  it("are valid for one session and one secret, and after no change", () => {
    const tokens = new BoundTokens("a secret", "csrf");
    const [id, other] = [randomToken(), randomToken()];
    const token = tokens.create(id);
    assert.ok(tokens.isValid(id, token));
    assert.ok(!tokens.isValid(other, token));
    assert.ok(!new BoundTokens("another secret", "csrf").isValid(id, token));
    assert.ok(!new BoundTokens("a secret", "device").isValid(id, token), "each purpose has a key of its own");
    fc.assert(
      fc.property(fc.nat(token.length - 1), fc.constantFrom(..."AZaz09_-."), (at, letter) => {
        const changed = token.slice(0, at) + letter + token.slice(at + 1);
        // The last letter has bits that mean nothing.
        if (changed === token || at === token.length - 1) return;
        assert.ok(!tokens.isValid(id, changed));
      }),
    );
  });
});

describe("sessions of one process", () => {
  const user = { userId: "u", name: "n", scopes: [] };

  it("end when idle, at last, and with their user, as those in Redis", async () => {
    let now = Date.now();
    const store = new MemorySessionStore();
    const sessions = new Sessions(store, { sessionIdleMs: 1000, sessionMaxMs: 2500 }, () => now);
    const { id, session } = await sessions.create(user);
    const key = sessionKeyOf(id);
    now += 50;
    assert.equal(await sessions.use(key, session), session, "not written each time");
    now += 850;
    const used = await sessions.use(key, session);
    assert.equal(sessions.endOf(used), now + 1000);
    now += 900;
    const again = await sessions.use(key, (await sessions.find(key)) ?? assert.fail());
    assert.equal(sessions.endOf(again), session.createdAt + 2500);
    now += 800;
    assert.equal(await sessions.find(key), undefined);
    const { id: next } = await sessions.create(user);
    await sessions.removeOf("somebody else");
    assert.ok(await sessions.find(sessionKeyOf(next)));
    await sessions.removeOf("u");
    assert.equal(await sessions.find(sessionKeyOf(next)), undefined);
    assert.equal(await sessions.remove(key), undefined);
  });

  it("tell the listener of a revocation, and make earlier tokens invalid", async () => {
    const revocations = new MemoryRevocations();
    const told: string[] = [];
    revocations.start({
      onRevoked: ({ kind, id }) => void told.push(`${kind} ${id}`),
      onGap: () => undefined,
    });
    const before = Date.now();
    await revocations.tell({ kind: "family", userId: "u", id: "f" });
    await revocations.tell({ kind: "session", userId: "u", id: "s" });
    assert.deepEqual(told, ["family f", "session s"]);
    assert.equal(await revocations.isRevoked("u", "f", before), true);
    assert.equal(await revocations.isRevoked("u", "g", before), false);
    assert.equal(await revocations.isRevoked("u", "f", Date.now() + 1), true, "a family never comes back");
    await revocations.tell({ kind: "logins", userId: "u", id: "" });
    assert.equal(await revocations.isRevoked("u", "g", before), true);
    assert.equal(await revocations.isRevoked("u", "g", Date.now() + 1), false, "a later login is good");
    assert.equal(await revocations.isRevoked("v", "g", before), false);
  });
});

describe("user names", () => {
  it("are the same for all spellings, and cannot be mistaken for each other", () => {
    assert.equal(normalName(" Ada.Ｌovelace@Example.org "), "ada.lovelace@example.org");
    for (const good of ["ada", "a-b", "a.b@c.org"]) assert.match(good, userNamePattern);
    for (const bad of ["", "ab", "Ada", "a b", "-ab", "ab-", "а́da", "a\u0000b", "a".repeat(65)])
      assert.doesNotMatch(bad, userNamePattern);
  });
});

describe("the configuration of authentication", () => {
  const problemsOf = (environment: Record<string, string>): string => {
    try {
      loadConfig(environment);
    } catch (error) {
      if (error instanceof ConfigError) return error.message;
      throw error;
    }
    return assert.fail("accepted");
  };
  const secret = new URL("../support/auth-secret.txt", import.meta.url).pathname;
  const short = new URL("../support/password.txt", import.meta.url).pathname;

  it("is off, and needs nothing, unless it is asked for", () => {
    assert.deepEqual([loadConfig({}).auth.mode, loadConfig({}).auth.secret], ["none", undefined]);
    assert.equal(loadConfig({ OMNIAI_AUTH_MODE: "both", OMNIAI_AUTH_SECRET_FILE: secret }).auth.mode, "both");
  });

  it("refuses modes without a good secret, and never shows one", () => {
    assert.match(
      problemsOf({ OMNIAI_AUTH_MODE: "session" }),
      /OMNIAI_AUTH_SECRET_FILE: the secret \(not shown\)/,
    );
    assert.match(
      problemsOf({ OMNIAI_AUTH_MODE: "token", OMNIAI_AUTH_SECRET_FILE: short }),
      /at least 32 characters/,
    );
    assert.match(problemsOf({ OMNIAI_AUTH_MODE: "basic" }), /none, session, token, both/);
    const ends = { OMNIAI_SESSION_IDLE_SECONDS: "100", OMNIAI_SESSION_MAX_SECONDS: "10" };
    assert.match(problemsOf(ends), /OMNIAI_SESSION_IDLE_SECONDS: 100 is not allowed/);
  });
});
