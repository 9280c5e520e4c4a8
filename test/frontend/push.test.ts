/**
 * Alerts on a device: the page in a real Chromium, the real service and a push service of the test's own. Chromium reaches no push
 * service here, so the page gets its subscription there from the test; the permission, the service worker, and what the worker
 * shows are the browser's own.
 */
import { strict as assert } from "node:assert";
import type { BrowserContext, CDPSession, Page } from "playwright-core";
import { nameOf, whyNot } from "../../frontend/js/diag/push-abilities.js";
import {
  describe as describeDevice,
  failureOf,
  resultOf,
  testFailureOf,
} from "../../frontend/js/diag/push-words.js";
import { ApiError } from "../../frontend/js/transport/api.js";
import type { User } from "../../service/src/auth/stores/users.ts";
import { addUser, startAuth, testPool } from "../../service/test/support/auth.ts";
import { eventually, type Instance } from "../../service/test/support/instance.ts";
import {
  otherPushKey,
  pushEnvironment,
  startPushService,
  type PushService,
  type TestDevice,
} from "../../service/test/support/push-service.ts";
import { isAccessible } from "./support/axe.ts";
import { wholeBrowser, visit } from "./support/browser.ts";
import { isKept } from "./support/kept.ts";
import { servePage, type PageServer } from "./support/page-server.ts";
import { subscribesAt, type PushBrowser } from "./support/push-browser.ts";
import { signIn } from "./support/sign-in.ts";

describe("whether a browser can show alerts", () => {
  const able = { isSecure: true, hasPush: true, isApplePhone: false, isInstalled: false };

  it("is so where it has all that it takes", () => {
    assert.equal(whyNot(able), undefined);
    assert.equal(whyNot({ ...able, isApplePhone: true, isInstalled: true }), undefined);
  });

  it("is said with what to do where it is not: no https, an iPhone's tab, an old browser", () => {
    assert.match(whyNot({ ...able, isSecure: false }) ?? "", /by https/);
    assert.match(whyNot({ ...able, hasPush: false, isApplePhone: true }) ?? "", /Add to Home Screen/);
    assert.match(
      whyNot({ ...able, hasPush: false, isApplePhone: true, isInstalled: true }) ?? "",
      /Use a current/,
    );
    assert.match(whyNot({ ...able, hasPush: false }) ?? "", /Use a current/);
  });

  it("has a name that its user knows it by", () => {
    const names = {
      "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/149.0.0.0 Mobile Safari/537.36":
        "Chrome on Android",
      "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1":
        "Safari on iPhone",
      "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/149.0.0.0 Safari/537.36 Edg/149.0.0.0":
        "Edge on Windows",
      "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0": "Firefox on Linux",
      "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15":
        "Safari on Mac",
      curl: "A browser",
    };
    for (const [agent, name] of Object.entries(names)) assert.equal(nameOf(agent), name);
  });

  it("is told of a test: how many have it, and why others have not", () => {
    const sent = { devices: [{ id: "1", outcome: "sent" }] };
    assert.equal(resultOf(sent), "Sent to 1 of 1 device. It is there in a moment.");
    const devices = [
      ...sent.devices,
      { id: "2", outcome: "gone" },
      { id: "3", outcome: "failed", detail: "it answers 503" },
    ];
    assert.equal(
      resultOf({ devices }, new Map([["2", "Firefox on Linux"]])),
      "Sent to 1 of 3 devices. Firefox on Linux: its browser wants none any more, and it is removed. A device: it answers 503.",
    );
    assert.match(resultOf({ devices: [] }), /^Sent to no device: /);
    assert.doesNotMatch(resultOf({ devices: [] }), /in a moment/);
    // A test does not pass the gate.
    assert.doesNotMatch(resultOf({ ...sent, gate: "open" }), /push-gate/);
    assert.match(
      resultOf({ ...sent, gate: "closed" }),
      /It is there in a moment\. But alerts .*push-gate.*npm run health/,
    );
  });

  it("is told of each device when it last got something, or why it gets nothing", () => {
    const device = {
      id: "1",
      name: "a",
      endpointHash: "h",
      createdAt: "",
      lastSentAt: null,
      problem: null,
      isCurrent: true,
    };
    const ago = (seconds: number): string => new Date(Date.now() - seconds * 1000).toISOString();
    assert.equal(describeDevice(device), "Nothing sent yet.");
    for (const seconds of [-5, 0, 3])
      assert.equal(describeDevice({ ...device, lastSentAt: ago(seconds) }), "Last sent just now.");
    assert.match(describeDevice({ ...device, lastSentAt: ago(7300) }), /^Last sent 2 h.* ago\.$/);
    assert.match(
      describeDevice({ ...device, problem: "it answers 503" }),
      /did not get there: it answers 503\./,
    );
    assert.match(describeDevice({ ...device, isCurrent: false }), /until this page is opened there/);
  });

  it("is told why something failed, and what to do, and of a test whether it was sent", () => {
    const told = (status: number, type: string, retryAfterMs?: number): string =>
      failureOf(new ApiError(status, "A title", retryAfterMs, type));
    assert.match(told(404, "push-off"), /no key .*omniai:webPush.*npm run up/);
    assert.match(told(503, "push-unavailable"), /PostgreSQL.*npm run health/);
    assert.match(told(403, "insufficient-scope"), /diag:read/);
    assert.match(told(429, "rate-limited", 42_000), /Try again in 42 s\./);
    assert.equal(told(500, "internal"), "A title");
    for (const [status, type] of [
      [404, "push-off"],
      [503, "push-unavailable"],
      [403, "insufficient-scope"],
      [429, "rate-limited"],
    ] as const) {
      const error = new ApiError(status, "A title", 42_000, type);
      // Whoever removes a device has sent no test.
      assert.doesNotMatch(failureOf(error), /test/);
      assert.equal(testFailureOf(error), `No test was sent. ${failureOf(error)}`);
    }
    // It may have been sent.
    for (const error of [new ApiError(502, "A title", undefined), new TypeError("no network")])
      assert.equal(testFailureOf(error), failureOf(error));
    assert.match(failureOf(new DOMException("x", "AbortError")), /own push service does not answer/);
  });
});

describe("alerts on a device", function () {
  this.timeout(60_000);
  let push: PushService;
  let site: PageServer;
  let service: Instance;
  let owner: User;
  let context: BrowserContext;
  let page: Page;
  let browser: PushBrowser;

  const start = (more: Readonly<Record<string, string>> = {}): Promise<Instance> =>
    startAuth(
      "session",
      {
        ...{ OMNIAI_STACK: "test", OMNIAI_PORT: String(service?.port ?? 0) },
        ...{ OMNIAI_CORS_ORIGINS: site.origin, OMNIAI_PAGE_SITE: "same-site" },
        ...pushEnvironment,
        ...more,
      },
      { pushReach: push.reach },
    );

  before(async () => {
    await wholeBrowser();
    [push, site] = await Promise.all([startPushService(), servePage()]);
    service = await start();
    owner = await addUser(["diag:read"]);
  });
  beforeEach(async () => {
    await (await testPool()).query("TRUNCATE push_subscriptions, push_messages, push_deliveries");
    site.configure({
      stack: "test",
      apiBaseUrl: `http://localhost:${service.port}`,
      authMode: "session",
      webPush: true,
    });
    context = await (await wholeBrowser()).newContext();
    browser = await subscribesAt(push, context);
    page = await context.newPage();
  });
  afterEach(() => context.close());
  after(async () => {
    await Promise.all([service?.stop(), site?.close()]);
    await push?.close();
  });

  const allow = (): Promise<void> => context.grantPermissions(["notifications"], { origin: site.origin });
  const open = async (): Promise<void> => visit(page, `${site.origin}/diagnostics.html`);
  const openSignedIn = async (user = owner): Promise<void> => {
    await open();
    await signIn(page, user.name);
    await isKept(page);
  };
  const hashes = async (): Promise<string[]> =>
    (
      await (
        await testPool()
      ).query<{ hash: string }>(
        `SELECT translate(rtrim(encode(sha256(convert_to(endpoint, 'UTF8')), 'base64'), '='), '+/', '-_') AS hash
         FROM push_subscriptions`,
      )
    ).rows.map(({ hash }) => hash);
  const is = (word: string): Promise<void> =>
    page.locator("#push-state", { hasText: new RegExp(`^${word}$`) }).waitFor();
  const click = (name: string): Promise<void> => page.locator("#push").getByRole("button", { name }).click();
  const says = (text: RegExp): Promise<void> => page.locator("#push-told", { hasText: text }).waitFor();

  /** The browser's push service hands a message over to the page's worker. */
  async function deliver(text: string): Promise<void> {
    const cdp: CDPSession = await context.newCDPSession(page);
    const registration = new Promise<string>((resolve) =>
      cdp.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => {
        const [found] = registrations.filter(({ isDeleted }) => !isDeleted);
        if (found) resolve(found.registrationId);
      }),
    );
    await cdp.send("ServiceWorker.enable");
    await cdp.send("ServiceWorker.deliverPushMessage", {
      origin: site.origin,
      registrationId: await registration,
      data: text,
    });
    await cdp.detach();
  }
  const notifications = (): Promise<string[][]> =>
    page.evaluate(
      "navigator.serviceWorker.ready.then((it) => it.getNotifications()).then((all) => all.map(({ title, body, tag }) => [title, body, tag]))",
    );

  it("are offered to those who may see alerts, and nobody is asked for anything before a click", async () => {
    await open();
    await page.locator("#login").waitFor();
    assert.equal(await page.locator("#push").isVisible(), false);
    await signIn(page, (await addUser()).name);
    await page.locator("#alerts-more", { hasText: "needs the scope diag:read" }).waitFor();
    assert.equal(await page.locator("#push").isVisible(), false);
    await page.getByRole("button", { name: "Sign out" }).click();
    await allow();
    await signIn(page, owner.name);
    await is("off");
    await isAccessible(page, "off");
    assert.equal(browser.asked, 0);
  });

  it("are turned on by a click, tried, shown by the browser, and turned off", async () => {
    await allow();
    await openSignedIn();
    await is("off");
    await click("Turn on");
    await is("on");
    assert.equal(browser.asked, 1);
    await isAccessible(page, "on");
    await click("Send a test");
    await says(/^Sent to 1 of 1 device\./);
    const [sent] = browser.device?.pushed ?? [];
    assert.equal(sent?.payload.title, "Test (test)");
    // What the push service got is what the browser's worker gets.
    await deliver(JSON.stringify(sent.payload));
    await eventually("the notification", async () => (await notifications()).length === 1, 20_000);
    assert.deepEqual(await notifications(), [
      ["Test (test)", "Alerts of this stack reach this device.", "test"],
    ]);
    await deliver(JSON.stringify({ ...sent.payload, title: "over: Test (test)" }));
    await eventually(
      "its successor",
      async () => (await notifications())[0]?.[0] === "over: Test (test)",
      20_000,
    );
    assert.equal((await notifications()).length, 1);
    // A visit later it is still on, and nobody is asked again.
    await page.reload();
    await is("on");
    await click("Turn off");
    await is("off");
    await says(/gets no more alerts/);
    assert.deepEqual([browser.device, browser.asked], [undefined, 1]);
    assert.deepEqual((await (await testPool()).query("SELECT 1 FROM push_subscriptions")).rows, []);
  });

  it("are not possible where the browser was told to show none, and the page says how to undo that", async () => {
    const cdp = await context.newCDPSession(page);
    const { targetInfo } = await cdp.send("Target.getTargetInfo");
    await cdp.send("Browser.setPermission", {
      ...{ origin: site.origin, browserContextId: targetInfo.browserContextId },
      ...{ permission: { name: "notifications" }, setting: "denied" },
    });
    await openSignedIn();
    await is("refused");
    await page.getByText(/Allow them in its settings for this site/).waitFor();
    assert.equal(await page.locator("#push").getByRole("button").count(), 0);
    await isAccessible(page, "refused");
  });

  it("are not possible in a browser that knows none, and the page says so", async () => {
    await page.addInitScript("delete globalThis.PushManager");
    await openSignedIn();
    await is("not possible");
    await page.getByText(/Use a current Chrome, Edge, Firefox or Safari/).waitFor();
    await isAccessible(page, "not possible");
  });

  it("go on under the service's new key, without a question, once the page is opened", async () => {
    await allow();
    await openSignedIn();
    await click("Turn on");
    await is("on");
    const before = browser.device;
    await service.stop();
    service = await start(otherPushKey);
    try {
      await page.reload();
      await eventually(
        "another subscription",
        () => browser.device !== undefined && browser.device !== before,
        20_000,
      );
      await is("on");
      await click("Send a test");
      await says(/^Sent to 1 of 1 device\./);
      assert.deepEqual([before?.pushed.length, browser.device?.pushed.length, browser.asked], [0, 1, 1]);
    } finally {
      await service.stop();
      service = await start();
    }
  });

  it("come back where the browser lost its subscription, and stay away where the owner removed the device", async () => {
    await allow();
    await openSignedIn();
    await click("Turn on");
    await is("on");
    const before = browser.device;
    browser.device = undefined;
    await page.reload();
    await is("on");
    assert.notEqual(browser.device, before);
    // In the place of the one that is lost.
    const again = browser.device as TestDevice | undefined;
    assert.deepEqual(await hashes(), [again?.endpointHash]);
    const user = owner.id;
    await (
      await testPool()
    ).query(
      `INSERT INTO push_subscriptions (user_id, endpoint, p256dh, auth, vapid_key, name)
       SELECT $1, 'https://push.example.org/x', p256dh, auth, vapid_key, 'Another' FROM push_subscriptions`,
      [user],
    );
    await page.reload();
    await page.locator("#push-devices li", { hasText: "Nothing sent yet." }).waitFor();
    await isAccessible(page, "two devices");
    await page.locator("#push-devices").getByRole("button").click();
    await page.locator("#push-others").waitFor({ state: "hidden" });
    await (await testPool()).query("TRUNCATE push_subscriptions, push_messages, push_deliveries");
    await page.reload();
    await is("off");
    // Also where the browser loses it afterwards.
    browser.device = undefined;
    await page.reload();
    await is("off");
    assert.equal(browser.asked, 1);
    assert.deepEqual(await hashes(), []);
  });

  it("are a decision of one user: another one who signs in gets none, also where the browser lost its subscription", async () => {
    await allow();
    await openSignedIn();
    await click("Turn on");
    await is("on");
    await click("Send a test");
    await says(/^Sent to 1 of 1 device\./);
    await page.getByRole("button", { name: "Sign out" }).click();
    browser.device = undefined;
    await signIn(page, (await addUser(["diag:read"])).name);
    await is("off");
    assert.equal((await hashes()).length, 1);
    // What was said to the one before is not for this one.
    assert.equal(await page.locator("#push-told").innerText(), "");
  });

  it("go on where the browser has renewed its subscription by itself, which is told", async () => {
    await allow();
    await openSignedIn();
    await click("Turn on");
    await is("on");
    const before = browser.device;
    browser.device = push.subscribe(String(before?.body()["publicKey"]));
    await page.reload();
    await is("on");
    await says(/had renewed its subscription/);
    assert.deepEqual(await hashes(), [browser.device.endpointHash]);
    assert.equal(browser.asked, 1);
    // The next visit has nothing to tell.
    await page.reload();
    await is("on");
    assert.equal(await page.locator("#push-told").innerText(), "");
  });

  it("leave the worker what it needs to tell the service of a renewed subscription, until they are turned off", async () => {
    await allow();
    await openSignedIn();
    const kept = (): Promise<Record<string, string> | undefined> =>
      page.evaluate(
        'caches.open("omniai push").then((it) => it.match(new URL("push", document.baseURI))).then((it) => it?.json())',
      );
    await click("Turn on");
    await is("on");
    const body = browser.device?.body() as { endpoint: string; publicKey: string; keys: { auth: string } };
    assert.deepEqual(await kept(), {
      ...{ api: `http://localhost:${service.port}`, publicKey: body.publicKey },
      ...{ endpoint: body.endpoint, auth: body.keys.auth },
    });
    await click("Turn off");
    await is("off");
    assert.equal(await kept(), undefined);
  });

  it("that somebody else has ended are said to be so, until they are turned on again", async () => {
    await allow();
    await openSignedIn();
    await click("Turn on");
    await is("on");
    await (await testPool()).query("TRUNCATE push_subscriptions, push_messages, push_deliveries");
    for (let visit = 1; visit <= 2; visit++) {
      await page.reload();
      await is("off");
      await says(/came to this device and do no more/);
      assert.equal(await page.locator("#push-state").getAttribute("data-status"), "warn");
    }
    await isAccessible(page, "ended by somebody else");
    await click("Turn on");
    await is("on");
    await page.getByRole("button", { name: "Sign out" }).click();
    await signIn(page, (await addUser(["diag:read"])).name);
    await is("off");
    await click("Turn on");
    await is("on");
    await page.getByRole("button", { name: "Sign out" }).click();
    await signIn(page, owner.name);
    await is("off");
    await says(/somebody else turned alerts on/);
    // It stays the other one's, also when the browser renews its subscription.
    browser.device = push.subscribe(String(browser.device?.body()["publicKey"]));
    const others = await hashes();
    await page.reload();
    await is("off");
    assert.deepEqual(await hashes(), others);
  });

  it("are turned off where the browser fails, and where the service does not answer", async () => {
    await allow();
    await openSignedIn();
    await click("Turn on");
    await is("on");
    await page.evaluate(
      'void (PushManager.prototype.getSubscription = () => Promise.reject(new Error("broken")))',
    );
    await click("Turn off");
    await says(/gets no more alerts/);
    assert.deepEqual(await hashes(), []);
    await page.reload();
    await is("off");
    await click("Turn on");
    await is("on");
    await page.route(/api\/push\?id=/, (route) => route.abort());
    await click("Turn off");
    await is("off");
    await says(/gets no more alerts/);
    assert.equal(browser.device, undefined);
  });

  it("that do not come say why when they are tried, and what to do", async () => {
    await allow();
    await openSignedIn();
    await click("Turn on");
    await is("on");
    if (browser.device) browser.device.answer = () => ({ status: 403 });
    await click("Send a test");
    await says(
      /^Sent to 0 of 1 device\. This device: the push service answers 403: it does not take the stack's key/,
    );
    const kept = browser.device;
    if (kept) kept.answer = undefined;
    browser.device = undefined;
    await click("Send a test");
    await says(/^Sent to 1 of 1 device.* the browser has lost its subscription/);
    browser.device = kept;
    await (await testPool()).query("TRUNCATE push_subscriptions, push_messages, push_deliveries");
    await click("Send a test");
    await says(/^Sent to no device/);
  });

  it("are unknown where the browser fails, and the user's devices are listed all the same", async () => {
    await allow();
    await openSignedIn();
    await click("Turn on");
    await is("on");
    await page.addInitScript(
      'PushManager.prototype.getSubscription = () => Promise.reject(new Error("broken"))',
    );
    await page.reload();
    await is("unknown");
    await says(/broken/);
    await page.locator("#push-devices li", { hasText: "Nothing sent yet." }).waitFor();
    assert.equal(await page.locator("#push button:visible", { hasText: "Turn" }).count(), 0);
    await isAccessible(page, "unknown");
  });

  it("wait for a service worker that comes late, as on a slow device", async () => {
    await allow();
    await page.addInitScript(`{
      const { get } = Object.getOwnPropertyDescriptor(ServiceWorkerContainer.prototype, "ready");
      const until = new Promise((resolve) => (globalThis.comes = resolve));
      Object.defineProperty(ServiceWorkerContainer.prototype, "ready", {
        get() { return until.then(() => get.call(this)); },
      });
    }`);
    await open();
    await signIn(page, owner.name);
    await is("unknown");
    await says(/not there yet/);
    await page.evaluate("comes()");
    await is("off");
    assert.equal(await page.locator("#push-told").innerText(), "");
  });

  it("are no part of a page whose stack has none", async () => {
    site.configure({ stack: "test", apiBaseUrl: `http://localhost:${service.port}`, authMode: "session" });
    const requests: string[] = [];
    page.on("request", (request) => requests.push(request.url()));
    await openSignedIn();
    await page.locator("#verdict", { hasText: "All is well." }).waitFor();
    assert.equal(await page.locator("#push").isVisible(), false);
    assert.deepEqual(
      requests.filter((url) => /\/api\/push|diag\/push\.js/.test(url)),
      [],
    );
  });
});
