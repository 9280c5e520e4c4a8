/** Web push where the browser has another subscription than before: its device follows, and stays its user's. */
import { strict as assert } from "node:assert";
import { randomBytes } from "node:crypto";
import { testMessage } from "../../src/push/message.ts";
import { PushStore } from "../../src/push/store.ts";
import { ask, slugOf, testPool, type Answer } from "../support/auth.ts";
import { eventually, whileItHolds, type Instance } from "../support/instance.ts";
import type { TestDevice } from "../support/push-service.ts";
import { alerts, areSent, sql, titles, usePushWorld, type Owner } from "../support/push-world.ts";

describe("web push and a browser that renews its subscription while nobody is signed in", function () {
  this.timeout(120_000);
  const world = usePushWorld();
  const { start, login, listOf, added, tell } = world;
  let behind: Instance;
  let addresses = 0;
  before(async () => {
    behind = await start({ OMNIAI_TRUST_PROXY_HOPS: "1" });
  });
  after(() => behind?.stop());

  /** @param address whose limit it counts for; one of its own by default. */
  function renew(
    before: TestDevice,
    after: TestDevice,
    change: object = {},
    address = `2001:db8:0:${(++addresses).toString(16)}00::1`,
  ): Promise<Answer> {
    const { endpoint, keys, publicKey } = after.body();
    const { auth } = before.body()["keys"] as { auth: string };
    const body = { endpoint, keys, publicKey, before: { endpoint: before.endpoint, auth }, ...change };
    const headers = { "x-forwarded-for": address };
    return ask(behind, "POST", "/api/push/renew", { body, headers });
  }
  const audited = (...owners: Owner[]) =>
    sql(
      `SELECT user_id AS whose, action, detail->>'device' AS device, detail->>'reason' AS reason
       FROM audit_log WHERE user_id = ANY($1) AND action LIKE 'device.%' ORDER BY id`,
      [owners.map(({ user }) => user.id)],
    );

  it("is followed, for its user", async () => {
    const owner = await login();
    const before = await added(owner, "a phone that renews");
    const { publicKey, devices } = await listOf(owner);
    await sql("UPDATE push_subscriptions SET failures = 4, failing_since = now() - interval '9 days'");
    const after = world.push.subscribe(publicKey);
    assert.equal((await renew(before, after)).status, 204);
    const [device] = (await listOf(owner)).devices;
    assert.deepEqual(
      [device?.id, device?.name, device?.endpointHash],
      [devices[0]?.id, "a phone that renews", after.endpointHash],
    );
    // What went wrong with the one before says nothing about this one.
    assert.deepEqual(
      await sql("SELECT failures, failing_since FROM push_subscriptions WHERE id = $1", [device?.id]),
      [{ failures: 0, failing_since: null }],
    );
    await tell(alerts("Renewed"));
    assert.deepEqual([before.tries, titles(after)], [0, ["critical: Renewed (prod)"]]);
  });

  it("is answered the same when it tells again, because the answer was lost, until the device is removed", async () => {
    const owner = await login();
    const before = await added(owner);
    const after = world.push.subscribe((await listOf(owner)).publicKey);
    const answers = await Promise.all([renew(before, after), renew(before, after)]);
    answers.push(await renew(before, after));
    assert.deepEqual(
      answers.map(({ status }) => status),
      [204, 204, 204],
    );
    assert.deepEqual(
      (await audited(owner)).map(({ action }) => action),
      ["device.add", "device.renew"],
    );
    const other = world.push.subscribe((await listOf(owner)).publicKey);
    const { keys } = other.body();
    // The new address alone, without its secret, is no proof.
    assert.equal((await renew(before, after, { keys })).status, 404);
    const { id } = (await listOf(owner)).devices[0] ?? assert.fail();
    await owner.ask("DELETE", `/api/push?id=${id}`);
    const late = await renew(before, after);
    assert.deepEqual([late.status, slugOf(late)], [404, "device-unknown"]);
  });

  it("is believed only with what it alone knows, and only what a browser could tell", async () => {
    const before = await added(await login());
    const other = await added(await login());
    const after = world.push.subscribe(String(before.body()["publicKey"]));
    const { auth } = other.body()["keys"] as { auth: string };
    const { endpoint } = before;
    for (const [why, change, status, slug] of [
      ["another secret", { before: { endpoint, auth } }, 404, "device-unknown"],
      [
        "another endpoint",
        { before: { endpoint: other.endpoint, auth: "x".repeat(22) } },
        404,
        "device-unknown",
      ],
      ["no address of a push service", { endpoint: "https://redis/x" }, 400, "invalid-request"],
      ["NUL", { endpoint: `${after.endpoint}\u0000` }, 400, "invalid-request"],
      ["NUL before", { before: { endpoint: `${endpoint}\u0000`, auth } }, 400, "invalid-request"],
      ["another key", { publicKey: "x" }, 409, "push-key-changed"],
    ] as const) {
      const answer = await renew(before, after, change);
      assert.deepEqual([answer.status, slugOf(answer)], [status, slug], why);
    }
  });

  it("may guess ten times a minute from one address, and what is right counts for nothing", async () => {
    const owner = await login();
    const before = await added(owner);
    const after = world.push.subscribe((await listOf(owner)).publicKey);
    const unknown = world.push.subscribe((await listOf(owner)).publicKey);
    const guess = { before: { endpoint: before.endpoint, auth: "x".repeat(22) } };
    let windows = 0;
    await whileItHolds(60_000, async () => {
      const statuses = [];
      // A window of its own for each run.
      const from = `2001:db8:1:${(++windows).toString(16)}00::1`;
      for (let count = 0; count < 3; count++) statuses.push((await renew(before, after, {}, from)).status);
      for (let count = 0; count < 11; count++)
        statuses.push((await renew(before, unknown, guess, from)).status);
      assert.deepEqual(statuses, [204, 204, 204, ...Array.from({ length: 10 }, () => 404), 429]);
    });
  });

  it("has its device removed where its page has added the new one meanwhile, and each user's log says so", async () => {
    const [ada, bob] = [await login(), await login()];
    const before = await added(ada);
    const [hers] = (await listOf(ada)).devices;
    const after = await added(bob);
    const [his] = (await listOf(bob)).devices;
    assert.equal((await renew(before, after)).status, 204);
    assert.deepEqual([(await listOf(ada)).devices.length, (await listOf(bob)).devices.length], [0, 1]);
    assert.deepEqual(await audited(ada, bob), [
      { whose: ada.user.id, action: "device.add", device: hers?.id, reason: null },
      { whose: bob.user.id, action: "device.add", device: his?.id, reason: null },
      { whose: ada.user.id, action: "device.remove", device: hers?.id, reason: "taken-over" },
    ]);
  });

  it("has its device taken over or replaced by its page, and each user's log says so", async () => {
    const [ada, bob] = [await login(), await login()];
    const shared = await added(ada);
    assert.equal((await bob.ask("POST", "/api/push", shared.body())).status, 200);
    const anew = world.push.subscribe((await listOf(bob)).publicKey);
    const body = { ...anew.body(), replaces: shared.endpointHash };
    assert.equal((await bob.ask("POST", "/api/push", body)).status, 200);
    assert.deepEqual(
      (await audited(ada, bob)).map(({ whose, action, reason }) => [
        whose === ada.user.id ? "ada" : "bob",
        action,
        reason,
      ]),
      [
        ["ada", "device.add", null],
        ["ada", "device.remove", "taken-over"],
        ["bob", "device.add", null],
        ["bob", "device.remove", "replaced"],
        ["bob", "device.add", null],
      ],
    );
  });

  it("keeps its device whatever becomes of what is on its way to the endpoint of before", async () => {
    const owner = await login();
    const before = await added(owner);
    const { publicKey, devices } = await listOf(owner);
    const after = world.push.subscribe(publicKey);
    const store = new PushStore(await testPool(), publicKey);
    const { payload, topic, ttl, urgency } = testMessage("prod");
    const message = { ...{ payload, topic, ttl, urgency }, id: randomBytes(32) };
    const [claim] = await store.claim(message);
    assert.equal(claim?.endpoint, before.endpoint);
    assert.equal((await renew(before, after)).status, 204);
    // Under another key nobody sends meanwhile.
    await sql("UPDATE push_subscriptions SET vapid_key = 'another'");
    const { id, endpoint } = claim;
    const due = { ...{ id, endpoint, state: "due" as const, why: "it is late" }, afterMs: 900_000 };
    for (const settled of [
      { id, endpoint, state: "gone" as const },
      { id, endpoint, state: "given_up" as const, why: "it refuses" },
      due,
    ]) {
      await sql("UPDATE push_deliveries SET state = 'sending', at = now() WHERE message = $1", [message.id]);
      await sql("UPDATE push_subscriptions SET failures = 9, failing_since = now() - interval '9 days'");
      await store.settle(message.id, [settled]);
      await store.noteTest([settled]);
      const [device] = (await listOf(owner)).devices;
      assert.deepEqual([device?.id, device?.problem], [devices[0]?.id, null], settled.state);
      assert.deepEqual(await sql("SELECT failures FROM push_subscriptions"), [{ failures: 9 }]);
      // The new one has still to get it.
      assert.deepEqual(
        await sql("SELECT state, at <= now() AS now FROM push_deliveries"),
        [{ state: "due", now: true }],
        settled.state,
      );
    }
    await sql("UPDATE push_subscriptions SET vapid_key = $1", [publicKey]);
    await eventually("the message", () => Promise.resolve(after.pushed.length > 0));
    await areSent();
    assert.deepEqual(titles(after), ["Test (prod)"]);
    assert.equal(before.tries, 0);
  });
});
