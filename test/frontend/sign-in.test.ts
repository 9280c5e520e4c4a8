/** Signing in with a real user, in a real Chromium, against the real service with real PostgreSQL and Redis. */
import { strict as assert } from "node:assert";
import type { Browser, BrowserContext, Page } from "playwright-core";
import type { User } from "../../service/src/auth/stores/users.ts";
import { addUser, bearer, loginTokens, PASSWORD, startAuth } from "../../service/test/support/auth.ts";
import { runEntry } from "../../service/test/support/entry.ts";
import { eventually, post, type Instance } from "../../service/test/support/instance.ts";
import { isAccessible } from "./support/axe.ts";
import { sharedBrowser, visit } from "./support/browser.ts";
import { servePage, type PageServer } from "./support/page-server.ts";
import { isSignedIn, sendLogin, signIn } from "./support/sign-in.ts";

describe("signing in on the page", () => {
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let site: PageServer;
  let service: Instance;
  let user: User;

  before(async () => {
    [browser, site] = await Promise.all([sharedBrowser(), servePage()]);
    // Mode "both": if the browser keeps no cross-site cookie over plain HTTP, the page continues with tokens.
    service = await startAuth("both", { OMNIAI_STACK: "test", OMNIAI_CORS_ORIGINS: site.origin });
    site.configure({ stack: "test", apiBaseUrl: service.url });
    user = await addUser();
  });
  after(async () => {
    await service.stop();
    await site.close();
  });
  beforeEach(async () => {
    context = await browser.newContext({ serviceWorkers: "block" });
    page = await context.newPage();
    await visit(page, site.origin);
  });
  afterEach(() => context.close());

  const ownEvent = async (): Promise<string> => {
    const { accessToken } = await loginTokens(service, user);
    const event = { topic: `user.${user.id}.mail`, type: "mail", data: 1 };
    const { status, id } = await post(service, event, bearer(accessToken));
    assert.equal(status, 201);
    return id;
  };
  const event = (id: string) => page.locator(`#events li[data-id="${id}"]`);

  it("is required before anything can be sent; public events are shown without it", async () => {
    await page.getByRole("button", { name: "Sign in" }).waitFor();
    await isAccessible(page, "with the form to sign in");
    assert.equal(await page.locator("#send").isVisible(), false);
    await page.locator("#connection-text", { hasText: /^Live$/ }).waitFor();
    await page.getByText("All is well.").waitFor();
  });

  it("is offered also when the first question of who is there got no answer", async () => {
    await context.close();
    context = await browser.newContext({ serviceWorkers: "block" });
    page = await context.newPage();
    let isFirst = true;
    await page.route("**/api/auth/check", (route) =>
      isFirst ? ((isFirst = false), route.abort()) : route.continue(),
    );
    await visit(page, site.origin);
    await page.getByRole("button", { name: "Sign in" }).waitFor();
    assert.equal(isFirst, false);
  });

  it("reports a wrong password, and signs nobody in", async () => {
    await sendLogin(page, user.name, "not the password");
    await page.locator("#login-error").waitFor();
    assert.notEqual(await page.locator("#login-error").textContent(), "");
    assert.equal(await page.locator("#account").isVisible(), false);
  });

  it("lets a user send, shows this user's private events, and is not shown as an outage", async () => {
    await page.locator("#connection-text", { hasText: /^Live$/ }).waitFor();
    await signIn(page, user.name);
    assert.equal(await page.locator("#login").isVisible(), false);
    await page.locator("#connection-text", { hasText: /^Live$/ }).waitFor();
    await event(await ownEvent()).waitFor();
    await page.getByLabel("Data (JSON)").fill('{"from":"the page"}');
    await page.getByRole("button", { name: "Send" }).click();
    await page.getByText(/^On disk as /).waitFor();
    assert.equal(await page.locator("#notice").isVisible(), false);
  });

  it("succeeds also where the network takes the answer to the login, and to who is there after it", async () => {
    await page.getByRole("button", { name: "Sign in" }).waitFor();
    const taken = ["/api/auth/login", "/api/auth/check"];
    await page.route("**/api/auth/*", async (route) => {
      const at = taken.indexOf(new URL(route.request().url()).pathname);
      if (at !== 0) return route.continue();
      taken.shift();
      // It reaches the service, and the answer does not reach the page.
      await route.fetch().catch(() => undefined);
      return route.abort("connectionreset");
    });
    await signIn(page, user.name);
    assert.deepEqual(taken, []);
    assert.equal(await page.getByLabel("Password").inputValue(), "");
  });

  it("comes true later where the service says it only then, and leaves no password in the form", async () => {
    await page.getByRole("button", { name: "Sign in" }).waitFor();
    await page.route("**/api/auth/check", (route) => route.abort("connectionreset"));
    await sendLogin(page, user.name, PASSWORD);
    await page.getByText("The service cannot be reached.", { exact: true }).waitFor();
    await page.unroute("**/api/auth/check");
    await isSignedIn(page, user.name);
    assert.equal(await page.locator("#login-form input[type=password]").inputValue(), "");
    assert.equal(await page.locator("#login-error").textContent(), "");
  });

  it("comes true later in all tabs, also where another one holds the connection", async () => {
    await page.locator("#connection-text", { hasText: /^Live$/ }).waitFor();
    const other = await context.newPage();
    await visit(other, site.origin);
    await other.locator("#connection-text", { hasText: /^Live$/ }).waitFor();
    await other.route("**/api/auth/check", (route) => route.abort("connectionreset"));
    await sendLogin(other, user.name, PASSWORD);
    await other.getByText("The service cannot be reached.", { exact: true }).waitFor();
    await other.unroute("**/api/auth/check");
    await isSignedIn(other, user.name);
    await isSignedIn(page, user.name);
    await other.locator(`#events li[data-id="${await ownEvent()}"]`).waitFor();
  });

  it("ends when the user signs out: the user's private events no longer arrive", async () => {
    await signIn(page, user.name);
    const before = await ownEvent();
    await event(before).waitFor();
    const reopened = page.waitForResponse((response) => {
      const url = new URL(response.url());
      return url.pathname === "/api/events" && !url.searchParams.has("topics");
    });
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("button", { name: "Sign in" }).waitFor();
    assert.equal(await event(before).count(), 0, "what was listed for this user is gone");
    await reopened;
    const own = await ownEvent();
    const { accessToken } = await loginTokens(service, user);
    const after = await post(service, { type: "for-all", data: 2 }, bearer(accessToken));
    await event(after.id).waitFor();
    assert.equal(await event(own).count(), 0);
  });

  it("asks again when the user has been disabled, and continues with public events", async () => {
    const other = await addUser();
    const { accessToken } = await loginTokens(service, other);
    await signIn(page, user.name);
    await event(await ownEvent()).waitFor();
    assert.equal((await runEntry("user.ts", ["disable", user.name])).code, 0);
    await page.getByRole("button", { name: "Sign in" }).waitFor();
    const { id } = await post(service, { type: "for-all", data: 3 }, bearer(accessToken));
    await event(id).waitFor();
  });
});

/**
 * How long an access token is good for, in s. A tab renews it when half of that is over, and the other half is what a busy machine may
 * take for it.
 */
const ACCESS_SECONDS = 10;

describe("a login in several tabs", () => {
  let browser: Browser;
  let site: PageServer;
  let service: Instance;

  before(async () => {
    [browser, site] = await Promise.all([sharedBrowser(), servePage()]);
    service = await startAuth("token", {
      OMNIAI_STACK: "test",
      OMNIAI_CORS_ORIGINS: site.origin,
      OMNIAI_ACCESS_SECONDS: String(ACCESS_SECONDS),
    });
    site.configure({ stack: "test", apiBaseUrl: service.url });
  });
  after(async () => {
    await service.stop();
    await site.close();
  });

  it("is one: in each of them, renewed before it ends by one at a time, ended in all", async () => {
    const user = await addUser();
    const context = await browser.newContext({ serviceWorkers: "block" });
    const refreshes: number[] = [];
    let refused = 0;
    context.on("response", (response) => {
      if (response.url().endsWith("/api/auth/refresh")) refreshes.push(response.status());
      else if (response.status() === 401) refused += 1;
    });
    const tabs = [await context.newPage(), await context.newPage(), await context.newPage()];
    for (const tab of tabs) await visit(tab, site.origin);
    const [first] = tabs;
    assert.ok(first);
    const begun = performance.now();
    await signIn(first, user.name);
    for (const tab of tabs) await isSignedIn(tab, user.name);
    const late = await context.newPage();
    await visit(late, site.origin);
    await isSignedIn(late, user.name);
    const isLater = (): boolean => performance.now() - begun > ACCESS_SECONDS * 1250;
    await eventually("renewed twice", () => refreshes.length >= 2 && isLater(), 60_000);
    const halves = (performance.now() - begun) / (ACCESS_SECONDS * 500);
    assert.ok(
      refreshes.length <= halves + 1,
      `${refreshes.length} renewals in ${halves} half lives: each tab renews`,
    );
    assert.deepEqual([...new Set(refreshes)], [200], "a refresh token is never used twice");
    for (const tab of [...tabs, late]) {
      await tab.getByRole("button", { name: "Send" }).click();
      await tab.getByText(/^On disk as /).waitFor();
    }
    assert.equal(refused, 0, "no request met an ended token");
    await late.getByRole("button", { name: "Sign out" }).click();
    for (const tab of tabs) await tab.getByRole("button", { name: "Sign in" }).waitFor();
    await context.close();
  });
});
