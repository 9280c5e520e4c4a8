/** Web push without its stores: which addresses are sent to, what an alert becomes, and what an answer means. */
import { strict as assert } from "node:assert";
import { createECDH } from "node:crypto";
import type { LookupAddress } from "node:dns";
import { vapidKeys } from "../../src/platform/env/vapid-keys.ts";
import { settledAs } from "../../src/push/delivery.ts";
import {
  isPublicAddress,
  isPushEndpoint,
  PrivateAddressError,
  publicLookup,
  publicReach,
} from "../../src/push/endpoint.ts";
import { alertGroupSchema, alertMessage, testMessage, type AlertGroup } from "../../src/push/message.ts";
import { deviceSchemaFor, renewalSchemaFor } from "../../src/push/http/schema.ts";
import { failureOf, outcomeOf, sendTo } from "../../src/push/sender.ts";
import { startPushService } from "../support/push-service.ts";

const keyPair = vapidKeys("a".repeat(32));

describe("the address of a push service", () => {
  it("is that of a browser's maker, by https and by name", () => {
    for (const endpoint of [
      "https://fcm.googleapis.com/fcm/send/abc:def",
      "https://updates.push.services.mozilla.com/wpush/v2/abc",
      "https://web.push.apple.com/QKC",
      "https://wns2-par02p.notify.windows.com/w/?token=BQYAAA%3d",
    ])
      assert.ok(isPushEndpoint(endpoint), endpoint);
  });

  it("is no other: not http, no port, no address, no neighbour's name, no user, nothing endless", () => {
    for (const endpoint of [
      "http://fcm.googleapis.com/x",
      "https://fcm.googleapis.com:8443/x",
      "https://127.0.0.1/x",
      "https://2130706433/x",
      "https://0x7f.1/x",
      "https://[::1]/x",
      "https://[fd00::1]/x",
      "https://redis/x",
      "https://redis./x",
      "https://push.example.org./x",
      "https://localhost/x",
      "https://user:pass@push.example.org/x",
      "https://push.example.org/x#y",
      "ftp://push.example.org/",
      "push.example.org",
      `https://push.example.org/${"x".repeat(1024)}`,
    ])
      assert.ok(!isPushEndpoint(endpoint), endpoint);
  });

  it("leads to the internet, and to no network of a machine's, a home's or a cloud's own", () => {
    for (const address of ["142.250.74.202", "17.188.1.1", "2a00:1450:4001::5f", "2620:149:a44::1"])
      assert.ok(isPublicAddress(address), address);
    for (const address of [
      ...[
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
      ],
      ...[
        "192.168.1.1",
        "192.0.2.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.9",
        "224.0.0.1",
        "255.255.255.255",
      ],
      ...[
        "::",
        "::1",
        "fe80::1",
        "fd12::1",
        "fc00::1",
        "ff02::1",
        "::ffff:10.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::a00:1",
      ],
      ...["2001:db8::1", "2002:a00:1::1", "2001::1", "3fff::1", "no address"],
    ])
      assert.ok(!isPublicAddress(address), address);
  });

  const lookUp = (addresses: LookupAddress[], all: boolean) =>
    new Promise<unknown>((resolve) =>
      publicLookup((_name, done) => done(null, addresses))("push.example.org", { all }, (error, ...found) =>
        resolve(error ?? found),
      ),
    );
  const one = { address: "142.250.74.202", family: 4 };
  const two = { address: "10.0.0.5", family: 4 };

  it("is looked at where the connection is made: one private address beside public ones is enough to refuse it", async () => {
    assert.deepEqual(await lookUp([one], true), [[one]]);
    assert.deepEqual(await lookUp([one], false), [one.address, 4]);
    for (const all of [true, false]) {
      assert.ok((await lookUp([one, two], all)) instanceof PrivateAddressError);
      assert.ok((await lookUp([], all)) instanceof PrivateAddressError);
    }
  });

  it("by which a connection would be made to this machine gets nothing, also where its name is allowed", async () => {
    const push = await startPushService();
    try {
      const device = push.subscribe(keyPair.publicKey);
      const target = {
        endpoint: device.endpoint,
        ...(device.body()["keys"] as { p256dh: string; auth: string }),
      };
      const sender = { keys: keyPair, contact: "mailto:ops@example.org" };
      const reach = { isAllowed: () => true, agent: publicReach().agent };
      const outcome = await sendTo(target, testMessage("dev"), sender, reach);
      assert.deepEqual(outcome, { kind: "refused", why: "localhost leads to an address that is not public" });
      assert.equal(device.tries, 0);
      // The same with the way that the tests have: so it was the address.
      assert.deepEqual(await sendTo(target, testMessage("dev"), sender, push.reach), { kind: "sent" });
    } finally {
      await push.close();
    }
  });
});

describe("what a browser tells of its subscription", () => {
  const anywhere = (): boolean => true;
  const auth = "a".repeat(22);
  const endpoint = "https://push.example.org/x";
  const subscription = { endpoint, keys: { p256dh: "p".repeat(87), auth }, publicKey: "x" };
  const renewal = { ...subscription, before: { endpoint, auth } };
  const isDevice = (change: object): boolean =>
    deviceSchemaFor(anywhere).safeParse({ ...subscription, name: "a phone", ...change }).success;
  const isRenewal = (change: object): boolean =>
    renewalSchemaFor(anywhere).safeParse({ ...renewal, ...change }).success;

  it("has addresses and a name as a browser and a person write them", () => {
    assert.ok(isDevice({}));
    for (const name of ["Ada's phone", "電話 📱", "📱".repeat(60)]) assert.ok(isDevice({ name }), name);
    assert.ok(isRenewal({}));
  });

  it("has nothing in it that PostgreSQL takes for no text, or that garbles a page", () => {
    for (const bad of ["\u0000", "\n", " ", "\u007f", "ü", "\ud800"]) {
      const wrong = `${endpoint}${bad}y`;
      const said = JSON.stringify(bad);
      assert.ok(!isDevice({ endpoint: wrong }), said);
      assert.ok(!isRenewal({ endpoint: wrong }), said);
      assert.ok(!isRenewal({ before: { endpoint: wrong, auth } }), said);
    }
    for (const name of ["a\u0000b", "a\nb", "\u202egnihton", "\ud800", "", "  ", "x".repeat(61)])
      assert.ok(!isDevice({ name }), JSON.stringify(name));
  });

  it("names only addresses of push services, also of the one before", () => {
    const isAllowed = (text: string): boolean => text === endpoint;
    const schema = renewalSchemaFor(isAllowed);
    assert.ok(schema.safeParse(renewal).success);
    const before = { endpoint: "https://redis/x", auth };
    assert.ok(!schema.safeParse({ ...renewal, before }).success);
  });
});

describe("the service's key", () => {
  it("is the same for the same secret, another for another, and a pair", () => {
    assert.deepEqual(vapidKeys("a".repeat(32)), keyPair);
    assert.notEqual(vapidKeys("b".repeat(32)).publicKey, keyPair.publicKey);
    const pair = createECDH("prime256v1");
    pair.setPrivateKey(Buffer.from(keyPair.privateKey, "base64url"));
    assert.equal(pair.getPublicKey("base64url"), keyPair.publicKey);
    // A change here would take every browser's subscription away.
    assert.equal(
      keyPair.publicKey,
      "BN-jK8avTGTUEn4nN-w2ooYf04wGO9fgUd1Rz-_sBgQxHQwOBcQztPRJj64VOKA0sPqDuc7H6zcgJD4gImK6QRQ",
    );
  });
});

describe("the message about alerts", () => {
  const alert = (
    summary: string,
    status: "firing" | "resolved" = "firing",
    startsAt = "2026-11-27T10:00:00Z",
  ) => ({
    status,
    labels: { alertname: "DiskFilling", severity: "critical", stack: "prod" },
    annotations: { summary, description: "Nothing is written then." },
    startsAt,
    endsAt: "0001-01-01T00:00:00Z",
    generatorURL: "",
    fingerprint: summary.padEnd(16, "0").slice(0, 16),
  });
  const group = (alerts: object[], more: object = {}): AlertGroup =>
    alertGroupSchema.parse({
      ...{
        version: "4",
        groupKey: '{}:{alertname="DiskFilling"}',
        status: "firing",
        receiver: "receiver-webpush",
      },
      ...{ commonLabels: { alertname: "DiskFilling", severity: "critical", stack: "prod" }, alerts },
      ...more,
    });

  it("says what fires in which stack, and since it is urgent makes itself heard", () => {
    const { payload, urgency, ttl } = alertMessage(group([alert("The disk is 95 % full.")]));
    assert.deepEqual(
      [payload.title, payload.body],
      ["critical: DiskFilling (prod)", "The disk is 95 % full."],
    );
    assert.deepEqual([payload.isUrgent, urgency, ttl], [true, "high", 14_400]);
  });

  it("replaces what was said of the same alerts before, on the way and on the device, and says when they are over", () => {
    const before = alertMessage(group([alert("a")]));
    const after = alertMessage(group([alert("a", "resolved")], { status: "resolved" }));
    assert.equal(after.payload.title, "over: DiskFilling (prod)");
    assert.equal(after.payload.isUrgent, false);
    assert.deepEqual([after.topic, after.payload.tag], [before.topic, before.topic]);
    assert.match(before.topic, /^[A-Za-z0-9_-]{32}$/);
    assert.notDeepEqual(after.id, before.id);
    assert.notEqual(alertMessage(group([alert("a")], { groupKey: "another" })).topic, before.topic);
  });

  it("is the same news when it is told again, in any order, and other news when an alert came, went or began anew", () => {
    const id = (...alerts: object[]): string => alertMessage(group(alerts)).id.toString("hex");
    const both = id(alert("a"), alert("b"));
    assert.equal(id(alert("b"), alert("a")), both);
    const others = [
      id(alert("a")),
      id(alert("a"), alert("b", "resolved")),
      id(alert("a"), alert("b", "firing", "2026-11-27T11:00:00Z")),
      // One more than Alertmanager tells of.
      alertMessage(group([alert("a"), alert("b")], { truncatedAlerts: 1 })).id.toString("hex"),
    ];
    assert.equal(new Set([both, ...others]).size, 5);
  });

  it("shows five, counts the rest, and leaves out those that are over while others fire", () => {
    const many = Array.from({ length: 7 }, (_, index) => alert(`${index} is so.`));
    const { body } = alertMessage(
      group([alert("gone", "resolved"), ...many], { truncatedAlerts: 3 }),
    ).payload;
    assert.deepEqual(body.split("\n"), [...[0, 1, 2, 3, 4].map((index) => `${index} is so.`), "and 5 more"]);
  });

  it("fits into what a push service takes, whatever the texts are", async () => {
    const push = await startPushService();
    try {
      const device = push.subscribe(keyPair.publicKey);
      const target = {
        endpoint: device.endpoint,
        ...(device.body()["keys"] as { p256dh: string; auth: string }),
      };
      for (const text of [
        "語".repeat(5000),
        "\u0000\u001b".repeat(3000),
        "\ud800".repeat(3000),
        '"\\'.repeat(3000),
      ]) {
        const message = alertMessage(
          group([alert(text)], { commonLabels: { alertname: text, stack: text } }),
        );
        const sent = await sendTo(target, message, { keys: keyPair, contact: "mailto:a@b.org" }, push.reach);
        assert.deepEqual(sent, { kind: "sent" });
        assert.deepEqual(device.pushed.at(-1)?.payload, message.payload);
      }
    } finally {
      await push.close();
    }
  });
});

describe("what a push service answers", () => {
  it("means taken, gone, later or never", () => {
    for (const status of [200, 201, 202, 204]) assert.deepEqual(outcomeOf(status), { kind: "sent" });
    for (const status of [404, 410]) assert.deepEqual(outcomeOf(status), { kind: "gone" });
    for (const status of [429, 500, 502, 503]) assert.equal(outcomeOf(status).kind, "retry");
    // A redirect is not followed: it could lead anywhere.
    for (const status of [301, 307, 400, 401, 403, 413]) assert.equal(outcomeOf(status).kind, "refused");
  });

  it("says what its owner can do, or who has to", () => {
    const why = (status: number): string => {
      const outcome = outcomeOf(status);
      return "why" in outcome ? outcome.why : "";
    };
    assert.match(why(403), /answers 403: it does not take the stack's key; turn alerts off and on/);
    assert.match(why(413), /answers 413: the message is too long/);
    assert.match(why(429), /answers 429: it has had too many messages/);
    assert.match(why(502), /answers 502: it has trouble of its own/);
    assert.equal(why(301), "the push service answers 301");
  });

  it("is told from none at all: no answer in time, no way out, no public address", () => {
    const failed = (error: Error) => failureOf(error, "push.example.org");
    assert.deepEqual(failed(new DOMException("aborted", "TimeoutError")), {
      kind: "retry",
      why: "push.example.org did not answer within 5 s",
    });
    assert.deepEqual(failed(new Error("getaddrinfo ENOTFOUND")), {
      kind: "retry",
      why: "the stack does not reach push.example.org (getaddrinfo ENOTFOUND): look at its way out to the internet",
    });
    assert.equal(failed(new PrivateAddressError("push.example.org")).kind, "refused");
  });

  it("is waited for no longer than five seconds where it hangs", async () => {
    const push = await startPushService();
    try {
      const device = push.subscribe(keyPair.publicKey);
      device.isHanging = true;
      const keys = device.body()["keys"] as { p256dh: string; auth: string };
      const sender = { keys: keyPair, contact: "mailto:ops@example.org" };
      const outcome = await sendTo(
        { endpoint: device.endpoint, ...keys },
        testMessage("dev"),
        sender,
        push.reach,
      );
      assert.deepEqual(outcome, { kind: "retry", why: "localhost did not answer within 5 s" });
      assert.equal(device.tries, 1);
    } finally {
      await push.close();
    }
  });

  const reached = { id: "1", endpoint: "https://push.example.org/x" };
  const due = (attempts: number, retryAfter?: string): number => {
    const settled = settledAs(reached, outcomeOf(503, retryAfter), attempts);
    return settled.state === "due" ? settled.afterMs : NaN;
  };

  it("is waited for as long as it says, within bounds; else for longer each time, and five times at most", () => {
    assert.deepEqual(
      [1, 2, 3, 4].map((attempts) => due(attempts)),
      [15_000, 60_000, 240_000, 900_000],
    );
    assert.deepEqual(
      [due(1, "7"), due(1, "0"), due(1, "86400"), due(1, "soon")],
      [7000, 1000, 900_000, 15_000],
    );
    const date = due(1, new Date(Date.now() + 30_000).toUTCString());
    assert.ok(date > 20_000 && date <= 31_000, String(date));
    assert.equal(settledAs(reached, outcomeOf(503), 5).state, "given_up");
    assert.equal(settledAs(reached, outcomeOf(403), 1).state, "given_up");
  });
});
