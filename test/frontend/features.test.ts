/** What runtime-config.json says about the page's behaviour, in a real Chromium, against the real service. */
import { strict as assert } from "node:assert";
import type { BrowserContext, Page } from "playwright-core";
import { featuresWithout, type PageFeature } from "../../frontend/publish/runtime-config.ts";
import { authEnvironment, startAuth } from "../../service/test/support/auth.ts";
import { post, type Instance } from "../../service/test/support/instance.ts";
import { isAccessible } from "./support/axe.ts";
import { Backend } from "./support/backend.ts";
import { visit } from "./support/browser.ts";
import { stand } from "./support/stand.ts";

describe("the config of a page", () => {
  const parts = stand();
  let context: BrowserContext;
  let page: Page;
  let service: Instance;

  before(async () => {
    service = await parts.backend.ready();
  });
  beforeEach(async () => {
    context = await parts.browser.newContext({ serviceWorkers: "block" });
    page = await context.newPage();
  });
  afterEach(() => context.close());

  const goWithout = (...off: PageFeature[]): void =>
    parts.site.configure({ stack: "test", apiBaseUrl: service.url, features: featuresWithout(off) });
  const asksOf = (path: string): URL[] => {
    const asked: URL[] = [];
    page.on("request", (request) => {
      const url = new URL(request.url());
      if (url.pathname === path) asked.push(url);
    });
    return asked;
  };

  it("without diagnostics leaves no way to them, and their page says that it is closed", async () => {
    goWithout("diagnostics");
    await visit(page, parts.site.origin);
    await page.getByText("All is well.").waitFor();
    assert.equal(await page.getByRole("link", { name: "Diagnostics" }).count(), 0);
    const asked = asksOf("/api/diag");
    await visit(page, `${parts.site.origin}/diagnostics.html`);
    await page.getByText("Diagnostics are turned off here.").waitFor();
    await page.getByText("The stack's omniai:pageWithout names diagnostics.").waitFor();
    assert.equal(await page.getByRole("button", { name: "Test everything" }).isVisible(), false);
    assert.equal(asked.length, 0);
    await isAccessible(page, "closed");
  });

  it("without the public view shows the page in its place, and no way to it", async () => {
    goWithout("public", "publish");
    const asked = asksOf("/api/diag/uptime");
    await visit(page, `${parts.site.origin}/?public`);
    await page.getByText("All is well.").waitFor();
    await page.getByRole("heading", { name: "Live events" }).waitFor();
    assert.equal(await page.getByRole("link", { name: "Last 90 days" }).isVisible(), false);
    assert.equal(await page.getByRole("button", { name: "Send" }).isVisible(), false);
    assert.equal(asked.length, 0);
  });

  it("without streams polls from the first moment, as long as it says, and comes back by itself", async () => {
    parts.site.configure({
      stack: "test",
      apiBaseUrl: service.url,
      features: featuresWithout(["stream"]),
      pollSeconds: 3,
    });
    const [streams, polls] = [asksOf("/api/events"), asksOf("/api/events/poll")];
    await visit(page, parts.site.origin);
    const isPolling = (): Promise<void> =>
      page.locator("#connection-text", { hasText: /^Live, by polling$/ }).waitFor();
    await isPolling();
    const { id } = await post(service, { type: "polled", data: 1 });
    await page.locator(`#events li[data-id="${id}"]`).waitFor();
    await page.waitForRequest(/poll\?wait=3/);
    await parts.backend.stop();
    await page.getByText(/The service cannot be reached/).waitFor();
    await parts.backend.ready();
    await page.getByText(/^Back after /).waitFor();
    await isPolling();
    assert.equal(streams.length, 0);
    const waits = [...new Set(polls.map(({ searchParams }) => searchParams.get("wait")))].sort();
    assert.deepEqual(waits, ["0", "3"]);
  });

  it("with a way to sign in shows the form before the service has answered, and says where the service has another", async () => {
    parts.site.configure({ stack: "test", apiBaseUrl: service.url, authMode: "token" });
    const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
    await page.route("**/api/**", async (route) => {
      await answered;
      await route.continue();
    });
    await visit(page, parts.site.origin);
    await page.getByRole("button", { name: "Sign in" }).waitFor();
    await page.getByText("This stack keeps a login in the open tabs alone").waitFor();
    assert.equal(await page.getByRole("button", { name: "Send" }).isVisible(), false);
    await isAccessible(page, "with the form, before an answer");
    answer();
    await page
      .getByText(
        "This page was published for logins by token (omniai:authMode token), but the service has no logins (omniai:authMode none) now.",
      )
      .waitFor();
    await page.getByRole("button", { name: "Send" }).waitFor();
    assert.equal(await page.getByRole("button", { name: "Sign in" }).isVisible(), false);
  });

  it("without streams has no fault to find with polling", async () => {
    const features = featuresWithout(["stream"]);
    parts.site.configure({ stack: "test", apiBaseUrl: service.url, features, measureSeconds: 1 });
    await visit(page, `${parts.site.origin}/diagnostics.html`);
    await page.locator("#timeline li[data-kind=good]", { hasText: "Connected: it polls." }).waitFor();
    // It is measured each second, and what a busy machine answered late counts for as long as it is among the last sixty.
    await page.locator("#score", { hasText: "100 of 100" }).waitFor({ timeout: 120_000 });
    assert.equal(await page.getByText("Streams do not get through").count(), 0);
    await page.getByRole("button", { name: "Test everything" }).click();
    await page
      .locator("#results li[data-status=skip]", {
        hasText: "This page only polls (omniai:pageWithout).",
      })
      .waitFor();
    await page.locator("#tests-sum", { hasText: /^All \d+ are good\.$/ }).waitFor();
  }).timeout(300_000);

  it("takes back that the service has another way to sign in, once it has this one", async () => {
    let mode = "none";
    const changing = new Backend(() => ({
      ...authEnvironment,
      OMNIAI_AUTH_MODE: mode,
      OMNIAI_CORS_ORIGINS: parts.site.origin,
    }));
    try {
      const { url } = await changing.ready();
      parts.site.configure({ stack: "test", apiBaseUrl: url, authMode: "token", measureSeconds: 1 });
      await visit(page, parts.site.origin);
      const told = page.getByText("This page was published for logins by token");
      await told.waitFor();
      mode = "token";
      await changing.stop();
      await changing.ready();
      await told.waitFor({ state: "detached" });
      const asked = asksOf("/api/diag");
      await page.waitForTimeout(2500);
      assert.equal(asked.length, 0);
    } finally {
      await changing.stop();
    }
  });

  it("asks each thing once at a time, however long the answer takes", async () => {
    parts.site.configure({ stack: "test", apiBaseUrl: service.url, measureSeconds: 1 });
    const held = Promise.withResolvers<void>();
    await page.route("**/api/diag**", async (route) => {
      await held.promise;
      await route.continue().catch(() => undefined);
    });
    const paths = ["/api/diag", "/api/diag/health-summary", "/api/diag/uptime"];
    const asked = paths.map(asksOf);
    await visit(page, `${parts.site.origin}/?public`);
    await page.waitForTimeout(3500);
    assert.deepEqual(
      asked.map(({ length }) => length),
      [1, 1, 1],
    );
    held.resolve();
    await page.locator("#days li").first().waitFor();
  });

  it("asks no more for a record that an older service does not keep", async () => {
    parts.site.configure({ stack: "test", apiBaseUrl: service.url, measureSeconds: 1 });
    const uptime = "**/api/diag/uptime";
    await page.route(uptime, (route) => route.continue({ url: `${service.url}/api/diag/no-uptime` }));
    const asked = asksOf("/api/diag/uptime");
    await visit(page, `${parts.site.origin}/?public`);
    await page.getByText("This service keeps no record.").waitFor();
    await page.waitForTimeout(2500);
    assert.equal(asked.length, 1);
  });

  it("with the service's own way to sign in has nothing to say about it", async () => {
    const own = await startAuth("both", { OMNIAI_STACK: "test", OMNIAI_CORS_ORIGINS: parts.site.origin });
    try {
      parts.site.configure({ stack: "test", apiBaseUrl: own.url, authMode: "both" });
      await visit(page, parts.site.origin);
      await page.getByRole("button", { name: "Sign in" }).waitFor();
      await page.getByText("All is well.").waitFor();
      await page.locator("#connection-text", { hasText: /^Live$/ }).waitFor();
      assert.equal(await page.locator("#lasting").innerText(), "");
    } finally {
      await own.stop();
    }
  });
});

describe("a page that is older than its service wants", () => {
  const parts = stand();
  let context: BrowserContext;
  let page: Page;

  before(async () => {
    const { url } = await parts.backend.ready();
    parts.site.configure({ stack: "test", apiBaseUrl: url });
    context = await parts.browser.newContext({ serviceWorkers: "block" });
    page = await context.newPage();
  });
  after(async () => {
    await context.close();
  });
  const publish = (level: number): string =>
    parts.site.publish({
      "js/version.js": (text) => text.replace(/PAGE_LEVEL = \d+/, `PAGE_LEVEL = ${level}`),
    });

  for (const path of ["", "diagnostics.html"])
    it(`says so and what to do, and is well again once the new one is published: /${path}`, async () => {
      publish(0);
      await visit(page, `${parts.site.origin}/${path}`);
      const told = page.getByText("This page is older than the service wants");
      await told.waitFor();
      await page.getByText("All is well.").waitFor();
      await isAccessible(page, "older than the service wants");
      publish(1);
      await page.getByRole("button", { name: "Reload" }).click();
      await told.waitFor({ state: "detached" });
      await page.getByText("All is well.").waitFor();
      assert.equal(await page.locator("#lasting").innerText(), "");
    });
});
