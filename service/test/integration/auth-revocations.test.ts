/** Revocations that are interrupted or race. */
import { strict as assert } from "node:assert";
import { setTimeout as sleep } from "node:timers/promises";
import { decodeJwt } from "jose";
import { hashToken, sessionKeyOf } from "../../src/auth/credentials/secrets.ts";
import { sessionIds } from "../../src/auth/credentials/cookies.ts";
import {
  addUser,
  ask,
  bearer,
  endedAfter,
  endLeeway,
  loginTokens,
  openStream,
  Page,
  startAuth,
  testPool,
  waiting,
  type Answer,
  type Tokens,
} from "../support/auth.ts";
import { whileItHolds, type Instance } from "../support/instance.ts";
import { testServers, type Servers } from "../support/servers.ts";

/** Long before a sweep or the stream's age would end it. How soon it does is proved where no revocation fails before. */
const SOON_MS = 20_000;

describe("revocations", function () {
  this.timeout(120_000);
  let servers: Servers;
  let instance: Instance;
  let other: Instance;

  before(async function () {
    this.timeout(120_000);
    servers = await testServers();
    // No sweep comes to help in time.
    [instance, other] = await Promise.all([startAuth("both"), startAuth("both")]);
  });
  after(() => Promise.all([instance?.stop(), other?.stop()]));

  const logout = async (token: string): Promise<number> =>
    (await ask(instance, "POST", "/api/auth/logout", { headers: bearer(token) })).status;
  const check = async (token: string): Promise<number> =>
    (await ask(other, "GET", "/api/auth/check", { headers: bearer(token) })).status;

  /** What happens while the replicas cannot be told: one step of a revocation is done, the other is not. */
  async function untold(work: () => Promise<void>): Promise<void> {
    await servers.admin.sendCommand(["ACL", "SETUSER", "service", "-xadd"]);
    try {
      await work();
    } finally {
      await servers.admin.sendCommand(["ACL", "SETUSER", "service", "+xadd"]);
    }
  }

  it("concern an access token that was asked for before them, however long it took to make", async () => {
    // No request waits for PostgreSQL for longer.
    await whileItHolds(1000, async () => {
      const { refreshToken } = await loginTokens(instance, await addUser());
      const client = await (await testPool()).connect();
      let asked: Promise<Answer<Tokens & Record<string, unknown>>> | undefined;
      try {
        await client.query("BEGIN");
        await client.query("SELECT 1 FROM refresh_tokens WHERE hash = $1 FOR UPDATE", [
          hashToken(refreshToken),
        ]);
        asked = ask<Tokens & Record<string, unknown>>(instance, "POST", "/api/auth/refresh", {
          body: { refreshToken },
        });
        await waiting(client, [asked]);
        // Its token must be older than this, by more than the clock's least step.
        await sleep(50);
        const revokedAt = Date.now();
        await client.query("COMMIT");
        const { status, body } = await asked;
        assert.equal(status, 200);
        assert.ok((decodeJwt(body.accessToken).iat ?? Infinity) * 1000 < revokedAt);
      } finally {
        // Also ends what is still open where the attempt has failed.
        client.release(true);
        await Promise.allSettled([asked]);
      }
    });
  });

  it("of a family hold whatever a replica's clock says", async () => {
    const { accessToken } = await loginTokens(instance, await addUser());
    assert.equal(await check(accessToken), 200);
    const family = String(decodeJwt(accessToken).sid);
    await servers.admin.set(`omniai:auth:revoked:family:${family}`, "1");
    assert.equal(await check(accessToken), 401);
  });

  it("of a session can be tried again, which then ends its streams", async () => {
    const user = await addUser();
    const page = await Page.loggedIn(instance, user);
    const stream = await page.at(other).stream(`user.${user.id}.*`);
    await untold(async () => {
      assert.equal((await page.ask("POST", "/api/auth/logout")).status, 503);
      assert.equal(await page.isIn(), true, "nothing was done that could not be told");
    });
    const since = Date.now();
    assert.equal((await page.ask("POST", "/api/auth/logout")).status, 204);
    assert.ok((await endedAfter(stream, since)) < SOON_MS);
    assert.equal(await page.isIn(), false);
  });

  it("of an API token can be tried again, which then ends its streams", async () => {
    const user = await addUser();
    const page = await Page.loggedIn(instance, user);
    const { body } = await page.ask<{ id: string; token: string }>("POST", "/api/auth/tokens", {
      name: "x",
      scopes: ["events:read"],
    });
    const stream = await openStream(other, `user.${user.id}.*`, bearer(body.token));
    const path = `/api/auth/tokens?id=${body.id}`;
    await untold(async () => assert.equal((await page.ask("DELETE", path)).status, 503));
    assert.equal(stream.endedAt, 0);
    const since = Date.now();
    assert.equal((await page.ask("DELETE", path)).status, 404, "it is not good any more");
    assert.ok((await endedAfter(stream, since)) < SOON_MS);
  });

  it("by a refresh token that was reused can be tried again, which then ends the family's streams", async () => {
    const user = await addUser();
    const { refreshToken } = await loginTokens(instance, user);
    const refresh = () =>
      ask<Tokens & Record<string, unknown>>(instance, "POST", "/api/auth/refresh", {
        body: { refreshToken },
      });
    const { body } = await refresh();
    await endLeeway(refreshToken);
    const stream = await openStream(other, `user.${user.id}.*`, bearer(body.accessToken));
    await untold(async () => assert.equal((await refresh()).status, 503));
    const since = Date.now();
    assert.equal((await refresh()).status, 401);
    assert.ok((await endedAfter(stream, since)) < SOON_MS);
    assert.equal(await check(body.accessToken), 401);
  });

  it("of a family end it everywhere, and a second logout finds nobody", async () => {
    const { accessToken } = await loginTokens(instance, await addUser());
    assert.equal(await logout(accessToken), 204);
    assert.equal(await check(accessToken), 401);
    assert.equal(await logout(accessToken), 401);
  });

  it("find a user's sessions in a set that forgets ended ones", async () => {
    const user = await addUser();
    const set = `omniai:user-sessions:${user.id}`;
    const [old, kept] = [await Page.loggedIn(instance, user), await Page.loggedIn(instance, user)];
    const keyOf = (page: Page): string => sessionKeyOf(sessionIds(page.cookie)[0] ?? "");
    // As if its idle time were over.
    await servers.admin.del(`omniai:session:${keyOf(old)}`);
    const latest = await Page.loggedIn(instance, user);
    assert.deepEqual((await servers.admin.sMembers(set)).sort(), [keyOf(kept), keyOf(latest)].sort());
    assert.equal(await kept.isIn(), true);
  });
});
