/** Web push: devices of users, and alerts that reach each of them once; with real PostgreSQL and a push service of the test's. */
import { strict as assert } from "node:assert";
import { runUserCommand } from "../../src/auth/user-commands.ts";
import { Users } from "../../src/auth/stores/users.ts";
import { ANSWER_MS } from "../../src/platform/postgres.ts";
import { addUser, ask, bearer, loginTokens, Page, slugOf, startAuth, testPool } from "../support/auth.ts";
import { eventually, whileItHolds, whileLimitsAreShared } from "../support/instance.ts";
import { otherPushKey, PUSH_HOOK, pushEnvironment } from "../support/push-service.ts";
import {
  alerts,
  areSent,
  passTime,
  READER,
  sql,
  titles,
  usePushWorld,
  type Listed,
} from "../support/push-world.ts";
import { testServers } from "../support/servers.ts";

describe("web push", function () {
  this.timeout(120_000);
  const world = usePushWorld();
  const { start, login, listOf, added, post, tell } = world;

  it("is not there, and says so, where the stack has none", async () => {
    const off = await startAuth("both");
    try {
      for (const [method, path] of [
        ["GET", "/api/push"],
        ["POST", "/api/push"],
        ["DELETE", "/api/push"],
        ["POST", "/api/push/test"],
        ["POST", "/api/push/renew"],
      ] as const) {
        const answer = await ask(off, method, path, method === "POST" ? { body: {} } : {});
        assert.deepEqual([answer.status, slugOf(answer)], [404, "push-off"], `${method} ${path}`);
      }
      const hook = await tell(alerts("Off"), off);
      assert.deepEqual([hook.status, slugOf(hook)], [404, "push-off"]);
    } finally {
      await off.stop();
    }
  });

  it("is for those who may see alerts, and no page of others can add a device", async () => {
    const anonymous = await ask(world.one, "GET", "/api/push");
    assert.deepEqual([anonymous.status, slugOf(anonymous)], [401, "unauthenticated"]);
    const other = await (await login(["events:read", "events:write"])).ask("GET", "/api/push");
    assert.deepEqual([other.status, slugOf(other)], [403, "insufficient-scope"]);
    const page = await Page.loggedIn(world.one, await addUser(READER));
    const { publicKey } = (await page.ask<Listed & Record<string, unknown>>("GET", "/api/push")).body;
    page.csrfToken = "";
    const forged = await page.ask("POST", "/api/push", world.push.subscribe(publicKey).body());
    assert.deepEqual([forged.status, slugOf(forged)], [403, "csrf-token-invalid"]);
  });

  it("sends a test that only the device can read, signed for its push service", async () => {
    const owner = await login();
    const device = await added(owner, "Ada's phone");
    const { status, body } = await owner.ask("POST", "/api/push/test");
    const [listed] = (await listOf(owner)).devices;
    assert.deepEqual(
      [status, body],
      [200, { gate: "unknown", devices: [{ id: listed?.id, outcome: "sent" }] }],
    );
    assert.equal(device.pushed.length, 1);
    const [{ payload, urgency, contact } = assert.fail()] = device.pushed;
    assert.deepEqual(
      [payload.title, urgency, contact],
      ["Test (prod)", "high", pushEnvironment.OMNIAI_PUSH_CONTACT],
    );
    assert.deepEqual(
      [listed?.name, listed?.endpointHash, listed?.problem],
      ["Ada's phone", device.endpointHash, null],
    );
    assert.ok(listed?.lastSentAt);
  });

  it("goes to the devices of whoever asks for a test, ten times a minute", async () => {
    await whileLimitsAreShared(async () => {
      const [ada, bob] = [await login(), await login()];
      const [hers, his] = [await added(ada), await added(bob)];
      const statuses = [];
      for (let count = 0; count < 11; count++)
        statuses.push((await ada.ask("POST", "/api/push/test")).status);
      assert.deepEqual(statuses, [...Array.from({ length: 10 }, () => 200), 429]);
      assert.deepEqual([hers.pushed.length, his.pushed.length], [10, 0]);
    });
  });

  it("takes alerts from Alertmanager alone", async () => {
    const device = await added(await login());
    for (const secret of ["", "another"])
      assert.equal((await tell(alerts("Forged"), world.one, secret)).status, 401);
    assert.equal((await tell({ version: "3" })).status, 400);
    // Not on the port that the edge leads to.
    assert.equal(
      (await ask(world.one, "POST", "/push/alerts", { body: alerts("Forged"), headers: bearer(PUSH_HOOK) }))
        .status,
      404,
    );
    assert.equal(device.tries, 0);
  });

  it("tells each device once, though both replicas are told at the same time and again", async () => {
    const owner = await login();
    const devices = [await added(owner), await added(owner), await added(await login())];
    // No replica waits for PostgreSQL for longer: it sends without it then, and cannot know of what the other one sends.
    let startsAt = "";
    await whileItHolds(ANSWER_MS, async () => {
      startsAt = new Date().toISOString();
      for (const device of devices) device.pushed.length = 0;
      const firing = alerts("Twice", "firing", startsAt);
      const answers = await Promise.all(
        [world.one, world.two, world.one, world.two, world.one, world.two].map((at) => tell(firing, at)),
      );
      assert.ok(answers.every(({ status }) => status === 204));
      assert.equal((await tell(firing, world.two)).status, 204);
      for (const device of devices) assert.deepEqual(titles(device), ["critical: Twice (prod)"]);
    });
    assert.equal((await tell(alerts("Twice", "resolved", startsAt), world.two)).status, 204);
    for (const { pushed } of devices) {
      assert.equal(pushed.at(-1)?.payload.title, "over: Twice (prod)");
      assert.equal(pushed.at(-1)?.topic, pushed[0]?.topic);
    }
    // Alertmanager's reminder, four hours later.
    await sql("UPDATE push_deliveries SET first_at = first_at - interval '4 hours'");
    await tell(alerts("Twice", "firing", startsAt));
    for (const device of devices) assert.equal(device.pushed.length, 3);
  });

  it("forgets a device whose browser wants no more", async () => {
    const owner = await login();
    const [gone, stays] = [await added(owner), await added(owner)];
    gone.answer = () => ({ status: 410 });
    assert.equal((await tell(alerts("Gone"))).status, 204);
    assert.deepEqual(
      (await listOf(owner)).devices.map(({ endpointHash }) => endpointHash),
      [stays.endpointHash],
    );
    await tell(alerts("Later"));
    assert.deepEqual([gone.tries, titles(stays)], [1, ["critical: Gone (prod)", "critical: Later (prod)"]]);
  });

  it("goes on by itself with a device whose push service is busy, and then tries that one alone", async () => {
    const owner = await login();
    const [busy, well] = [await added(owner), await added(owner)];
    busy.answer = () => ({ status: 429, retryAfter: "200" });
    // Alertmanager has done what it can: an alert about this would go the same way.
    assert.equal((await tell(alerts("Busy"))).status, 204);
    // It is left alone for as long as it said.
    assert.equal((await tell(alerts("Busy"), world.two)).status, 204);
    assert.equal(busy.tries, 1);
    const [{ wait } = {}] = await sql(
      "SELECT extract(epoch FROM at - now())::float8 AS wait FROM push_deliveries WHERE state = 'due'",
    );
    assert.ok(Number(wait) > 100 && Number(wait) <= 200, String(wait));
    busy.answer = undefined;
    await passTime();
    await eventually("the message", () => Promise.resolve(busy.pushed.length > 0));
    await areSent();
    assert.deepEqual(
      [busy.tries, titles(busy), titles(well)],
      [2, ["critical: Busy (prod)"], ["critical: Busy (prod)"]],
    );
  });

  it("does not go on with what a newer message of the same alerts replaces", async () => {
    const device = await added(await login());
    device.answer = () => ({ status: 503 });
    await tell(alerts("Short"));
    // What is due is tried again by itself, too: not before there is a newer message.
    await sql("UPDATE push_deliveries SET at = now() + interval '1 hour' WHERE state = 'due'");
    await areSent();
    device.answer = undefined;
    await tell(alerts("Short", "resolved"), world.two);
    await passTime();
    await tell(alerts("Another"));
    assert.deepEqual(titles(device), ["over: Short (prod)", "critical: Another (prod)"]);
    assert.deepEqual(await sql("SELECT 1 FROM push_deliveries WHERE state = 'due'"), []);
  });

  it("gives a message up for a device after five tries, shows why, and removes one that never takes any", async () => {
    const owner = await login();
    const device = await added(owner);
    device.answer = () => ({ status: 503 });
    for (let tries = 1; tries <= 6; tries++) {
      assert.equal((await tell(alerts("Never"))).status, 204);
      await passTime();
      await areSent();
    }
    assert.equal(device.tries, 5);
    assert.equal(
      (await listOf(owner)).devices[0]?.problem,
      "the push service answers 503: it has trouble of its own",
    );
    device.answer = () => ({ status: 403 });
    for (let count = 2; count <= 5; count++) await tell(alerts(`Never ${count}`));
    // Its push service may have a bad day.
    assert.equal((await listOf(owner)).devices.length, 1);
    await sql("UPDATE push_subscriptions SET failing_since = now() - interval '49 hours'");
    await tell(alerts("Never 6"));
    assert.deepEqual((await listOf(owner)).devices, []);
  });

  it("keeps a device that takes messages again", async () => {
    const owner = await login();
    const device = await added(owner);
    await sql("UPDATE push_subscriptions SET failures = 9, failing_since = now() - interval '9 days'");
    await tell(alerts("Well"));
    device.answer = () => ({ status: 403 });
    await tell(alerts("Refused"));
    assert.equal((await listOf(owner)).devices.length, 1);
  });

  it("goes on where a replica died between its claim and its message", async () => {
    const device = await added(await login());
    device.answer = () => ({ status: 500 });
    await tell(alerts("Died"));
    device.answer = undefined;
    await sql("UPDATE push_deliveries SET state = 'sending', at = now()");
    assert.equal((await post(alerts("Died"), world.two)).status, 204);
    assert.equal(device.pushed.length, 0);
    await sql("UPDATE push_deliveries SET at = now() - interval '61 seconds'");
    await areSent();
    assert.equal(device.pushed.length, 1);
  });

  it("reaches nobody who may no longer see alerts", async () => {
    const [reader, demoted, disabled] = [await login(), await login(), await login()];
    const [hers, ...others] = [await added(reader), await added(demoted), await added(disabled)];
    await sql("UPDATE users SET scopes = '{events:read}' WHERE id = $1", [demoted.user.id]);
    await sql("UPDATE users SET disabled_at = now() WHERE id = $1", [disabled.user.id]);
    assert.equal((await tell(alerts("Secret"))).status, 204);
    assert.deepEqual([hers.tries, ...others.map(({ tries }) => tries)], [1, 0, 0]);
  });

  it("is added by a login alone, is in the audit log, and ends with a new password and with a user who is disabled", async () => {
    const owner = await login();
    const { publicKey } = await listOf(owner);
    const wanted = { name: "a script", scopes: ["diag:read"], days: 1 };
    const { body } = await owner.ask<{ token: string }>("POST", "/api/auth/tokens", wanted);
    const stranger = { body: world.push.subscribe(publicKey).body(), headers: bearer(body.token) };
    const refused = await ask(world.one, "POST", "/api/push", stranger);
    assert.deepEqual([refused.status, slugOf(refused)], [403, "login-needed"]);
    const users = new Users(await testPool());
    for (const end of [() => users.setPassword(owner.user.name, "x"), () => users.disable(owner.user.name)]) {
      await added(owner);
      assert.ok(await end());
      assert.deepEqual(await sql("SELECT 1 FROM push_subscriptions"), []);
    }
    await sql("UPDATE users SET disabled_at = NULL WHERE id = $1", [owner.user.id]);
    await added(owner);
    const { id } = (await listOf(owner)).devices[0] ?? assert.fail();
    await owner.ask("DELETE", `/api/push?id=${id}`);
    const noted = await sql(
      "SELECT action, detail->>'device' AS device FROM audit_log WHERE user_id = $1 AND action LIKE 'device.%' ORDER BY id",
      [owner.user.id],
    );
    assert.deepEqual(
      noted.map(({ action }) => action),
      ["device.add", "device.add", "device.add", "device.remove"],
    );
    assert.equal(noted.at(-1)?.["device"], id);
  });

  it("lets whoever may no longer see alerts remove a device", async () => {
    const owner = await login();
    const device = await added(owner);
    const { id } = (await listOf(owner)).devices[0] ?? assert.fail();
    await sql("UPDATE users SET scopes = '{events:read}' WHERE id = $1", [owner.user.id]);
    const headers = bearer((await loginTokens(world.one, owner.user)).accessToken);
    assert.equal((await ask(world.one, "GET", "/api/push", { headers })).status, 403);
    assert.equal((await ask(world.one, "DELETE", `/api/push?id=${id}`, { headers })).status, 204);
    assert.equal(device.tries, 0);
    assert.equal((await ask(world.one, "DELETE", `/api/push?id=${id}`)).status, 401);
  });

  it("knows a browser again, whoever uses it, and each user's own devices alone", async () => {
    const [ada, bob] = [await login(), await login()];
    const device = await added(ada, "shared");
    const { id } = (await listOf(ada)).devices[0] ?? assert.fail();
    const foreign = await bob.ask("DELETE", `/api/push?id=${id}`);
    assert.deepEqual([foreign.status, slugOf(foreign)], [404, "device-unknown"]);
    assert.deepEqual((await bob.ask("POST", "/api/push", device.body("shared"))).body, { id });
    assert.deepEqual([(await listOf(ada)).devices.length, (await listOf(bob)).devices.length], [0, 1]);
    assert.equal((await bob.ask("DELETE", `/api/push?id=${id}`)).status, 204);
    await tell(alerts("Nobody"));
    assert.equal(device.tries, 0);
  });

  it("has room for ten devices of a user, and a hundred in all", async () => {
    const owner = await login();
    const devices = [];
    for (let count = 0; count < 10; count++) devices.push(await added(owner));
    const { publicKey } = await listOf(owner);
    const refused = await owner.ask("POST", "/api/push", world.push.subscribe(publicKey).body());
    assert.deepEqual([refused.status, slugOf(refused)], [409, "too-many-devices"]);
    // One that is there already is none more.
    assert.equal((await owner.ask("POST", "/api/push", devices[3]?.body("renamed"))).status, 200);
    const other = await addUser(READER);
    await sql(
      `INSERT INTO push_subscriptions (user_id, endpoint, p256dh, auth, vapid_key, name)
       SELECT $1, 'https://push.example.org/' || n, 'x', 'x', $2, 'x' FROM generate_series(1, 90) n`,
      [other.id, publicKey],
    );
    const late = await (await login()).ask("POST", "/api/push", world.push.subscribe(publicKey).body());
    assert.deepEqual([late.status, slugOf(late)], [409, "too-many-devices"]);
    // Those that get nothing take no place.
    await sql("UPDATE users SET disabled_at = now() WHERE id = $1", [other.id]);
    await added(await login());
  });

  it("under another key takes no old subscription, sends to none, and takes the browser's new one in its place, while another browser's stays", async () => {
    const owner = await login();
    const other = await added(owner, "another");
    const before = await added(owner);
    const rotated = await start(otherPushKey);
    try {
      const { publicKey, devices } = await listOf(owner, rotated);
      assert.deepEqual(
        devices.map(({ isCurrent }) => isCurrent),
        [false, false],
      );
      assert.equal((await tell(alerts("Rotated"), rotated)).status, 204);
      assert.equal(before.tries, 0);
      const old = await owner.ask("POST", "/api/push", before.body(), rotated);
      assert.deepEqual([old.status, slugOf(old)], [409, "push-key-changed"]);
      const anew = world.push.subscribe(publicKey);
      const body = { ...anew.body(), replaces: before.endpointHash };
      assert.equal((await owner.ask("POST", "/api/push", body, rotated)).status, 200);
      assert.deepEqual(
        (await listOf(owner, rotated)).devices.map(({ endpointHash, isCurrent }) => [
          endpointHash,
          isCurrent,
        ]),
        [
          [anew.endpointHash, true],
          [other.endpointHash, false],
        ],
      );
      await tell(alerts("Rotated again"), rotated);
      assert.equal(anew.pushed.length, 1);
    } finally {
      await rotated.stop();
    }
  });

  it("takes no address of a neighbour, of this machine or of a home for a push service", async () => {
    const strict = await start({}, { pushReach: undefined });
    try {
      const owner = await login();
      const { publicKey } = await listOf(owner, strict);
      const device = world.push.subscribe(publicKey);
      for (const endpoint of [
        device.endpoint,
        "https://redis/x",
        "http://push.example.org/x",
        "https://10.0.0.1/x",
      ]) {
        const answer = await owner.ask("POST", "/api/push", { ...device.body(), endpoint }, strict);
        assert.deepEqual([answer.status, slugOf(answer)], [400, "invalid-request"], endpoint);
        // What was sent is not repeated: an endpoint is a secret.
        assert.ok(!JSON.stringify(answer.body).includes(endpoint));
      }
      const fine = { ...device.body(), endpoint: "https://updates.push.services.mozilla.com/wpush/v2/x" };
      assert.equal((await owner.ask("POST", "/api/push", fine, strict)).status, 200);
    } finally {
      await strict.stop();
    }
  });

  it("says of a test whether the gate that alerts come through is open, which the test does not pass", async () => {
    const owner = await login();
    await added(owner);
    const gateOf = async (url: string): Promise<unknown> => {
      const watched = await start({ OMNIAI_PUSH_GATE_URL: url });
      try {
        const { body } = await owner.ask("POST", "/api/push/test", undefined, watched);
        assert.equal((body["devices"] as { outcome: string }[])[0]?.outcome, "sent");
        return body["gate"];
      } finally {
        await watched.stop();
      }
    };
    assert.equal(await gateOf(`${world.one.url}/healthz`), "open");
    assert.equal(await gateOf(`${world.one.url}/nothing`), "closed");
    // Nobody listens there.
    assert.equal(await gateOf("http://127.0.0.1:1/live"), "closed");
  });

  it("begins anew with a device that is added again, and tells its new user nothing of its old one", async () => {
    const [ada, bob] = [await login(), await login()];
    const device = await added(ada);
    await sql(
      "UPDATE push_subscriptions SET failures = 4, failing_since = now() - interval '9 days', last_sent_at = now()",
    );
    assert.equal((await ada.ask("POST", "/api/push", device.body())).status, 200);
    assert.deepEqual(await sql("SELECT failures, failing_since FROM push_subscriptions"), [
      { failures: 0, failing_since: null },
    ]);
    assert.ok((await listOf(ada)).devices[0]?.lastSentAt);
    assert.equal((await bob.ask("POST", "/api/push", device.body())).status, 200);
    assert.equal((await listOf(bob)).devices[0]?.lastSentAt, null);
  });

  it("is in the metrics: how many devices there are, and what became of each try", async () => {
    const measured = await start();
    try {
      const scrape = async (): Promise<string[]> =>
        (await (await fetch(`${measured.internalUrl}/metrics`)).text()).split("\n");
      await eventually("no device", async () => (await scrape()).includes("omniai_push_devices 0"));
      // From the beginning, or a rate would miss the first ones.
      for (const outcome of ["sent", "gone", "retry", "refused", "given-up"])
        assert.ok((await scrape()).includes(`omniai_push_messages_total{outcome="${outcome}"} 0`), outcome);
      const owner = await login();
      const device = world.push.subscribe((await listOf(owner)).publicKey);
      await owner.ask("POST", "/api/push", device.body(), measured);
      await eventually("one device", async () => (await scrape()).includes("omniai_push_devices 1"));
      await owner.ask("POST", "/api/push/test", undefined, measured);
      device.answer = () => ({ status: 500 });
      await owner.ask("POST", "/api/push/test", undefined, measured);
      const lines = await scrape();
      for (const outcome of ["sent", "retry"])
        assert.ok(lines.includes(`omniai_push_messages_total{outcome="${outcome}"} 1`), outcome);
    } finally {
      await measured.stop();
    }
    const off = await startAuth("both");
    try {
      const text = await (await fetch(`${off.internalUrl}/metrics`)).text();
      assert.doesNotMatch(text, /omniai_push_devices/);
    } finally {
      await off.stop();
    }
  });

  it("is listed with its users, and who sets a password or disables one is told that devices fall silent", async () => {
    const owner = await login();
    await added(owner);
    const device = await added(owner);
    await owner.ask("POST", "/api/push/test");
    const nothing = (): Promise<void> => Promise.resolve();
    const stores = { users: new Users(await testPool()), revoke: nothing, record: nothing };
    const listed = async () => {
      const answer = await runUserCommand({ command: "list" }, stores);
      return "users" in answer ? answer.users.find(({ name }) => name === owner.user.name) : undefined;
    };
    const noteOf = async (command: string): Promise<string> => {
      const answer = await runUserCommand({ command, name: owner.user.name }, stores);
      return ("note" in answer ? answer.note : undefined) ?? "";
    };
    const before = await listed();
    assert.equal(before?.devices, 2);
    assert.ok(Math.abs((before.lastPushedAt?.getTime() ?? 0) - Date.now()) < 60_000);
    assert.match(await noteOf("passwd"), /^2 devices get no more alerts; each is turned on again/);
    assert.equal(await noteOf("passwd"), "");
    const { publicKey } = await listOf(await login());
    await sql(
      `INSERT INTO push_subscriptions (user_id, endpoint, p256dh, auth, vapid_key, name)
       VALUES ($1, $2, 'x', 'x', $3, 'x')`,
      [owner.user.id, device.endpoint, publicKey],
    );
    assert.match(
      await noteOf("disable"),
      /^1 device gets no more alerts; once the user is enabled, each is turned on/,
    );
    const after = await listed();
    assert.deepEqual([after?.devices, after?.lastPushedAt], [0, null]);
  });

  it("is forgotten where the stack has no web push any more", async () => {
    await added(await login());
    // Replicas with web push would say that it is of use.
    await Promise.all([world.one.stop(), world.two.stop()]);
    const off = await startAuth("both", { OMNIAI_AUDIT_CLEANUP_SECONDS: "0.1" });
    try {
      await eventually(
        "it is noticed",
        async () =>
          (await sql("SELECT 1 FROM push_subscriptions WHERE unusable_since IS NOT NULL")).length === 1,
      );
      await sql("UPDATE push_subscriptions SET unusable_since = now() - interval '31 days'");
      await eventually("it goes", async () => (await sql("SELECT 1 FROM push_subscriptions")).length === 0);
    } finally {
      await off.stop();
      [world.one, world.two] = await Promise.all([start(), start()]);
    }
  });

  it("removes what says nothing any more", async () => {
    const owner = await login();
    await added(owner);
    await tell(alerts("Old"));
    await sql("UPDATE push_messages SET at = now() - interval '25 hours'");
    const cleaning = await start({ OMNIAI_AUDIT_CLEANUP_SECONDS: "0.1" });
    try {
      await eventually(
        "old messages go",
        async () => (await sql("SELECT 1 FROM push_deliveries")).length === 0,
      );
      assert.equal((await listOf(owner)).devices.length, 1);
      const isMarked = async (): Promise<boolean> =>
        (await sql("SELECT 1 FROM push_subscriptions WHERE unusable_since IS NOT NULL")).length === 1;
      // Added long ago, and of no use only since now.
      await sql("UPDATE push_subscriptions SET vapid_key = 'gone', created_at = now() - interval '31 days'");
      await eventually("a device of another key is noticed", isMarked);
      assert.equal((await listOf(owner)).devices.length, 1);
      await sql("UPDATE push_subscriptions SET vapid_key = $1", [(await listOf(owner)).publicKey]);
      await eventually("it is back", async () => !(await isMarked()));
      await sql("UPDATE users SET scopes = '{}' WHERE id = $1", [owner.user.id]);
      await eventually("one whose user may not see alerts is noticed", isMarked);
      await sql("UPDATE push_subscriptions SET unusable_since = now() - interval '31 days'");
      await eventually("it goes", async () => (await sql("SELECT 1 FROM push_subscriptions")).length === 0);
    } finally {
      await cleaning.stop();
    }
  });

  it("also tells that PostgreSQL is away, once, and asks to be told again for the devices that it did not reach", async () => {
    const owner = await login();
    const [well, busy] = [await added(owner), await added(owner)];
    busy.answer = () => ({ status: 503, retryAfter: "1" });
    const { postgres } = await testServers();
    await postgres.pause();
    try {
      const answer = await post(alerts("PostgresAway"));
      assert.deepEqual([answer.status, slugOf(answer)], [503, "push-unavailable"]);
      // Not before the time that it said.
      assert.equal((await post(alerts("PostgresAway"))).status, 503);
      busy.answer = undefined;
      await eventually("the message", async () => (await post(alerts("PostgresAway"))).status === 204);
    } finally {
      await postgres.unpause();
    }
    // What was sent then is not sent again by this replica.
    await eventually("PostgreSQL is back", async () => (await post(alerts("PostgresAway"))).status === 204);
    await areSent();
    assert.deepEqual(
      [titles(well), titles(busy)],
      [["critical: PostgresAway (prod)"], ["critical: PostgresAway (prod)"]],
    );
  });

  it("notes later what it could not note at once, and does not send it again", async () => {
    const device = await added(await login());
    // The other replica cannot know.
    await world.two.stop();
    const client = await (await testPool()).connect();
    const isNoting = async (): Promise<boolean> =>
      (
        await client.query(
          "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'push_subscriptions'::regclass",
        )
      ).rowCount !== 0;
    try {
      await client.query("BEGIN; LOCK TABLE push_subscriptions IN SHARE MODE");
      await post(alerts("Between"));
      await eventually("it tries to note it", isNoting);
      await eventually("it gives that up", async () => !(await isNoting()));
      await client.query("COMMIT");
      await sql("UPDATE push_deliveries SET at = now() - interval '61 seconds'");
      await areSent();
      assert.equal(device.tries, 1);
    } finally {
      client.release(true);
      world.two = await start();
    }
  });
});
