/**
 * The page in a real Chromium against the real service behind a real nginx with TLS, from another site: what cookies need, and what a
 * proxy does to those behind it. Page and API are two hosts on the loopback, localhost and 127.0.0.1.
 */
import { strict as assert } from "node:assert";
import { request as ask, type RequestListener, type ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { addUser, bearer, loginTokens, startAuth } from "../../service/test/support/auth.ts";
import { eventually, post, startInstance, type Instance } from "../../service/test/support/instance.ts";
import { testServers } from "../../service/test/support/servers.ts";
import { startEdge, type TestEdge } from "../support/edge.ts";
import { sharedBrowser, visit } from "./support/browser.ts";
import { servePage, type PageServer } from "./support/page-server.ts";
import { isSignedIn, signIn } from "./support/sign-in.ts";

/** How long the edge reaches no replica, in s. OMNIAI_TEST_AWAY_SECONDS=60 makes it the minute that is promised. */
const AWAY_SECONDS = Number(process.env["OMNIAI_TEST_AWAY_SECONDS"] ?? 4);
const SESSION = "__Host-sid";
const behindProxy = { OMNIAI_TRUST_PROXY_HOPS: "1" };

describe("the page through the edge", function () {
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let site: PageServer;
  let edge: TestEdge;
  let service: Instance | undefined;
  /** What the edge has asked for and is being given. */
  const underWay = new Set<ServerResponse>();
  let isCut = false;

  const replica: RequestListener = (request, response) => {
    if (isCut || !service) return void request.socket.destroy();
    underWay.add(response);
    const { method, url, headers } = request;
    const asked = ask({ host: "127.0.0.1", port: service.port, method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    asked.on("error", () => response.destroy());
    response.on("close", () => {
      underWay.delete(response);
      asked.destroy();
    });
    request.pipe(asked);
  };

  before(async () => {
    [browser, site, edge] = await Promise.all([sharedBrowser(), servePage(), startEdge([replica])]);
    await edge.configure({ corsOrigins: [site.origin] });
    site.configure({ stack: "test", apiBaseUrl: edge.https, measureSeconds: 1 });
  });
  after(async () => {
    edge?.remove();
    await site?.close();
  });
  beforeEach(async () => {
    context = await browser.newContext({ ignoreHTTPSErrors: true, serviceWorkers: "block" });
    page = await context.newPage();
  });
  afterEach(async () => {
    await context.close();
    await service?.stop();
    service = undefined;
    isCut = false;
  });

  const isLive = (): Promise<void> => page.locator("#connection-text", { hasText: /^Live$/ }).waitFor();
  const sees = (id: string): Promise<void> => page.locator(`#events li[data-id="${id}"]`).waitFor();
  const cut = (): void => {
    isCut = true;
    for (const response of underWay) response.destroy();
  };

  it("signs in by a cookie of another site, keeps that over a reload, sends with its CSRF token, and signs out", async () => {
    const user = await addUser();
    service = await startAuth("session", {
      OMNIAI_STACK: "test",
      OMNIAI_CORS_ORIGINS: site.origin,
      ...behindProxy,
    });
    await visit(page, site.origin);
    await signIn(page, user.name);
    const cookie = (await context.cookies(edge.https)).find(({ name }) => name === SESSION);
    assert.deepEqual(
      [cookie?.secure, cookie?.httpOnly, cookie?.sameSite, cookie?.partitionKey],
      [true, true, "None", "http://localhost"],
    );
    await page.reload();
    await isSignedIn(page, user.name);
    await isLive();
    await page.getByLabel("Data (JSON)").fill('{"from":"the page"}');
    await page.getByRole("button", { name: "Send" }).click();
    await page.getByText(/^On disk as /).waitFor();
    await page.locator("#events li", { hasText: '{"from":"the page"}' }).waitFor();
    const logout = "**/api/auth/logout";
    await page.route(logout, (route) => route.abort());
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByText("You are still signed in. The service cannot be reached. Try again.").waitFor();
    assert.equal(await page.getByRole("button", { name: "Sign in" }).isVisible(), false);
    await page.unroute(logout);
    await page.reload();
    await isSignedIn(page, user.name);
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("button", { name: "Sign in" }).waitFor();
    assert.equal(await page.locator("#logout-error").isVisible(), false);
    assert.ok((await context.cookies(edge.https)).every(({ name }) => name !== SESSION));
  });

  it("signs in by a token where the service takes nothing else", async () => {
    const user = await addUser();
    service = await startAuth("token", {
      OMNIAI_STACK: "test",
      OMNIAI_CORS_ORIGINS: site.origin,
      ...behindProxy,
    });
    await visit(page, site.origin);
    await signIn(page, user.name);
    await isLive();
    const { accessToken } = await loginTokens(service, user);
    const own = { topic: `user.${user.id}.mail`, type: "mail", data: 1 };
    await sees((await post(service, own, bearer(accessToken))).id);
    assert.ok((await context.cookies(edge.https)).every(({ name }) => name !== SESSION));
  });

  describe("without a login", () => {
    beforeEach(async () => {
      service = await startInstance({
        OMNIAI_STACK: "test",
        OMNIAI_CORS_ORIGINS: site.origin,
        ...behindProxy,
      });
      await visit(page, site.origin);
      await isLive();
    });
    const publish = async (): Promise<string> => {
      assert.ok(service);
      return (await post(service, { type: "edge", data: 1 })).id;
    };

    it(`comes back by itself after the edge has reached no replica for ${AWAY_SECONDS} s, with what it missed`, async function () {
      this.timeout(180_000 + AWAY_SECONDS * 2000);
      const before = await publish();
      await sees(before);
      const answers: number[] = [];
      page.on("response", (response) => answers.push(response.status()));
      cut();
      await page.getByText(/The service cannot be reached\. .* Trying again in \d+ s\./).waitFor();
      const missed = await publish();
      await Promise.all([
        sleep(AWAY_SECONDS * 1000),
        eventually("the edge's own answer", () => answers.includes(503), 60_000),
      ]);
      isCut = false;
      await sees(missed);
      await page.getByText(/Back after .*: 1 caught up, nothing was missed/).waitFor();
    });

    it("goes on after Redis has been killed, with every event", async () => {
      const before = await publish();
      await sees(before);
      await (await testServers()).redis.crash();
      let after = "";
      await eventually("Redis taking events again", async () => (after = await publish()) !== "", 30_000);
      await sees(after);
      await sees(before);
    });

    it("wakes up from a sleep in which its connection has died, and has what happened meanwhile", async () => {
      const debug = await context.newCDPSession(page);
      await debug.send("Page.setWebLifecycleState", { state: "frozen" });
      for (const response of underWay) response.destroy();
      const missed = [await publish(), await publish()];
      await debug.send("Page.setWebLifecycleState", { state: "active" });
      for (const id of missed) await sees(id);
      await isLive();
    });
  });
});
