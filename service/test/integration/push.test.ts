/** Web push: devices of users, and alerts that reach each of them once; with real PostgreSQL and a push service of the test's. */
import { strict as assert } from "node:assert";
import { randomBytes } from "node:crypto";
import type { Scope } from "../../src/auth/principal.ts";
import { runUserCommand } from "../../src/auth/user-commands.ts";
import { Users } from "../../src/auth/stores/users.ts";
import { testMessage } from "../../src/push/message.ts";
import { PushStore } from "../../src/push/store.ts";
import type { ServiceOptions } from "../../src/service.ts";
import {
  addUser,
  ask,
  bearer,
  loginTokens,
  Page,
  slugOf,
  startAuth,
  testPool,
  type Answer,
} from "../support/auth.ts";
import { eventually, whileItHolds, type Instance } from "../support/instance.ts";
import {
  otherPushKey,
  PUSH_HOOK,
  pushEnvironment,
  startPushService,
  type PushService,
  type TestDevice,
} from "../support/push-service.ts";
import { testServers } from "../support/servers.ts";

const environment = { OMNIAI_STACK: "prod", ...pushEnvironment };
const READER: readonly Scope[] = ["diag:read"];

interface Listed {
  readonly publicKey: string;
  readonly devices: readonly {
    readonly id: string;
    readonly name: string;
    readonly endpointHash: string;
    readonly lastSentAt: string | null;
    readonly problem: string | null;
    readonly isCurrent: boolean;
  }[];
}

/** As Alertmanager tells of it. */
const alerts = (name: string, status = "firing", startsAt = "2026-11-27T10:00:00Z") => ({
  ...{
    receiver: "receiver-webpush",
    status,
    version: "4",
    groupKey: `{}:{alertname="${name}"}`,
    externalURL: "",
  },
  ...{ truncatedAlerts: 0, groupLabels: { alertname: name }, commonAnnotations: {} },
  commonLabels: { alertname: name, severity: "critical", stack: "prod" },
  alerts: [
    {
      ...{
        status,
        startsAt,
        endsAt: "0001-01-01T00:00:00Z",
        generatorURL: "",
        fingerprint: "0123456789abcdef",
      },
      labels: { alertname: name, severity: "critical", stack: "prod" },
      annotations: { summary: `${name} is so.` },
    },
  ],
});

describe("web push", function () {
  this.timeout(120_000);
  let push: PushService;
  let one: Instance;
  let two: Instance;
  const start = (extra: Record<string, string> = {}, options: ServiceOptions = {}): Promise<Instance> =>
    startAuth("both", { ...environment, ...extra }, { pushReach: push.reach, ...options });
  const sql = async (text: string, values: unknown[] = []) =>
    (await (await testPool()).query(text, values)).rows as Record<string, unknown>[];

  before(async function () {
    this.timeout(120_000);
    await testServers();
    push = await startPushService();
    [one, two] = await Promise.all([start(), start()]);
  });
  beforeEach(() => sql("TRUNCATE push_subscriptions, push_messages, push_deliveries"));
  after(async () => {
    await Promise.all([one?.stop(), two?.stop()]);
    await push?.close();
  });

  async function login(scopes: readonly Scope[] = READER) {
    const user = await addUser(scopes);
    const headers = bearer((await loginTokens(one, user)).accessToken);
    return {
      user,
      ask: <T = Record<string, unknown>>(
        method: string,
        path: string,
        body?: unknown,
        at: Instance = one,
      ): Promise<Answer<T>> => ask<T>(at, method, path, { body, headers }),
    };
  }
  type Owner = Awaited<ReturnType<typeof login>>;
  const listOf = async (owner: Owner, at = one): Promise<Listed> =>
    (await owner.ask<Listed & Record<string, unknown>>("GET", "/api/push", undefined, at)).body;
  async function added(owner: Owner, name = "a phone"): Promise<TestDevice> {
    const device = push.subscribe((await listOf(owner)).publicKey);
    const { status, body } = await owner.ask("POST", "/api/push", device.body(name));
    assert.equal(status, 200, JSON.stringify(body));
    return device;
  }
  const post = (group: object, at: Instance = one, secret = PUSH_HOOK): Promise<Answer> =>
    ask({ url: at.internalUrl }, "POST", "/push/alerts", { body: group, headers: bearer(secret) });
  const areSent = (): Promise<void> =>
    eventually(
      "what is on its way is there",
      async () => (await sql("SELECT 1 FROM push_deliveries WHERE state = 'sending'")).length === 0,
    );
  /** Tells, and waits until every device was tried. */
  async function tell(group: object, at: Instance = one, secret = PUSH_HOOK): Promise<Answer> {
    const answer = await post(group, at, secret);
    await areSent();
    return answer;
  }
  const titles = (device: TestDevice): string[] => device.pushed.map(({ payload }) => payload.title);
  /** What waits to be tried again may be tried now. */
  const passTime = () => sql("UPDATE push_deliveries SET at = now() WHERE state = 'due'");

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
    const anonymous = await ask(one, "GET", "/api/push");
    assert.deepEqual([anonymous.status, slugOf(anonymous)], [401, "unauthenticated"]);
    const other = await (await login(["events:read", "events:write"])).ask("GET", "/api/push");
    assert.deepEqual([other.status, slugOf(other)], [403, "insufficient-scope"]);
    const page = await Page.loggedIn(one, await addUser(READER));
    const { publicKey } = (await page.ask<Listed & Record<string, unknown>>("GET", "/api/push")).body;
    page.csrfToken = "";
    const forged = await page.ask("POST", "/api/push", push.subscribe(publicKey).body());
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
    const [ada, bob] = [await login(), await login()];
    const [hers, his] = [await added(ada), await added(bob)];
    const statuses = [];
    for (let count = 0; count < 11; count++) statuses.push((await ada.ask("POST", "/api/push/test")).status);
    assert.deepEqual(statuses, [...Array.from({ length: 10 }, () => 200), 429]);
    assert.deepEqual([hers.pushed.length, his.pushed.length], [10, 0]);
  });

  it("takes alerts from Alertmanager alone", async () => {
    const device = await added(await login());
    for (const secret of ["", "another"])
      assert.equal((await tell(alerts("Forged"), one, secret)).status, 401);
    assert.equal((await tell({ version: "3" })).status, 400);
    // Not on the port that the edge leads to.
    assert.equal(
      (await ask(one, "POST", "/push/alerts", { body: alerts("Forged"), headers: bearer(PUSH_HOOK) })).status,
      404,
    );
    assert.equal(device.tries, 0);
  });

  it("tells each device once, though both replicas are told at the same time and again", async () => {
    const owner = await login();
    const devices = [await added(owner), await added(owner), await added(await login())];
    const answers = await Promise.all([one, two, one, two, one, two].map((at) => tell(alerts("Twice"), at)));
    assert.ok(answers.every(({ status }) => status === 204));
    assert.equal((await tell(alerts("Twice"), two)).status, 204);
    for (const device of devices) assert.deepEqual(titles(device), ["critical: Twice (prod)"]);
    assert.equal((await tell(alerts("Twice", "resolved"), two)).status, 204);
    for (const { pushed } of devices) {
      assert.equal(pushed.at(-1)?.payload.title, "over: Twice (prod)");
      assert.equal(pushed.at(-1)?.topic, pushed[0]?.topic);
    }
    // Alertmanager's reminder, four hours later.
    await sql("UPDATE push_deliveries SET first_at = first_at - interval '4 hours'");
    await tell(alerts("Twice"));
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
    assert.equal((await tell(alerts("Busy"), two)).status, 204);
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
    await tell(alerts("Short", "resolved"), two);
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
    assert.equal((await post(alerts("Died"), two)).status, 204);
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
    const stranger = { body: push.subscribe(publicKey).body(), headers: bearer(body.token) };
    const refused = await ask(one, "POST", "/api/push", stranger);
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
    const headers = bearer((await loginTokens(one, owner.user)).accessToken);
    assert.equal((await ask(one, "GET", "/api/push", { headers })).status, 403);
    assert.equal((await ask(one, "DELETE", `/api/push?id=${id}`, { headers })).status, 204);
    assert.equal(device.tries, 0);
    assert.equal((await ask(one, "DELETE", `/api/push?id=${id}`)).status, 401);
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
    const refused = await owner.ask("POST", "/api/push", push.subscribe(publicKey).body());
    assert.deepEqual([refused.status, slugOf(refused)], [409, "too-many-devices"]);
    // One that is there already is none more.
    assert.equal((await owner.ask("POST", "/api/push", devices[3]?.body("renamed"))).status, 200);
    const other = await addUser(READER);
    await sql(
      `INSERT INTO push_subscriptions (user_id, endpoint, p256dh, auth, vapid_key, name)
       SELECT $1, 'https://push.example.org/' || n, 'x', 'x', $2, 'x' FROM generate_series(1, 90) n`,
      [other.id, publicKey],
    );
    const late = await (await login()).ask("POST", "/api/push", push.subscribe(publicKey).body());
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
      const anew = push.subscribe(publicKey);
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
      const device = push.subscribe(publicKey);
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
    assert.equal(await gateOf(`${one.url}/healthz`), "open");
    assert.equal(await gateOf(`${one.url}/nothing`), "closed");
    // Nobody listens there.
    assert.equal(await gateOf("http://127.0.0.1:1/live"), "closed");
  });

  describe("and a browser that renews its subscription while nobody is signed in", () => {
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
      const after = push.subscribe(publicKey);
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
      const after = push.subscribe((await listOf(owner)).publicKey);
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
      const other = push.subscribe((await listOf(owner)).publicKey);
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
      const after = push.subscribe(String(before.body()["publicKey"]));
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
      const after = push.subscribe((await listOf(owner)).publicKey);
      const unknown = push.subscribe((await listOf(owner)).publicKey);
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
      const anew = push.subscribe((await listOf(bob)).publicKey);
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
      const after = push.subscribe(publicKey);
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
        await sql("UPDATE push_deliveries SET state = 'sending', at = now() WHERE message = $1", [
          message.id,
        ]);
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
      const device = push.subscribe((await listOf(owner)).publicKey);
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
    await Promise.all([one.stop(), two.stop()]);
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
      [one, two] = await Promise.all([start(), start()]);
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
    await two.stop();
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
      two = await start();
    }
  });
});
