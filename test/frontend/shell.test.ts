/** The page without its network, its config or its newest version, in a real Chromium. */
import { strict as assert } from "node:assert";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { featuresWithout, OWN_ORIGIN } from "../../frontend/publish/runtime-config.ts";
import { eventually, startInstance, type Instance } from "../../service/test/support/instance.ts";
import { isAccessible } from "./support/axe.ts";
import { sharedBrowser, visit } from "./support/browser.ts";
import { holds } from "./support/holds.ts";
import { isKept } from "./support/kept.ts";
import { startOddProxy } from "./support/odd-proxy.ts";
import { servePage, type PageServer } from "./support/page-server.ts";

/** How many tabs are open while a version is published. OMNIAI_TEST_TABS=20 makes it as many as is promised, for a calm machine. */
const TABS = Number(process.env["OMNIAI_TEST_TABS"] ?? 6);

describe("the page's shell", () => {
  let browser: Browser;
  let context: BrowserContext;
  let site: PageServer;
  let service: Instance;

  before(async () => {
    browser = await sharedBrowser();
  });
  beforeEach(async () => {
    site = await servePage();
    service = await startInstance({ OMNIAI_STACK: "test", OMNIAI_CORS_ORIGINS: site.origin });
    site.configure({ stack: "test", apiBaseUrl: service.url, measureSeconds: 1 });
    context = await browser.newContext();
  });
  afterEach(async () => {
    await context.close();
    await service.stop();
    await site.close().catch(() => undefined);
  });

  const open = async (path = "", origin = site.origin): Promise<Page> => {
    const page = await context.newPage();
    await visit(page, `${origin}/${path}`);
    return page;
  };
  const isLive = (page: Page): Promise<void> =>
    page.locator("#connection-text", { hasText: /^Live$/ }).waitFor();
  /** In the same process of the browser, as a link that opens a tab does: twenty processes would be a test of the machine. */
  const openBeside = async (opener: Page, path: string): Promise<Page> => {
    const [tab] = await Promise.all([
      context.waitForEvent("page"),
      opener.evaluate(`void open("${site.origin}/${path}")`),
    ]);
    await tab.waitForLoadState();
    return tab;
  };
  const versionIn = (page: Page): Promise<string> =>
    page.evaluate(
      `fetch("js/version.js").then((response) => response.text()).then((text) => /"(\\w+)"/.exec(text)[1])`,
    );

  /** Whether the worker of a version is the one that serves visits from now on. */
  const hasWorkerOf = (page: Page, version: string): Promise<boolean> =>
    holds(
      page,
      `Promise.all([caches.has("omniai shell ${version}"), navigator.serviceWorker.getRegistration()])
        .then(([isKept, { installing, waiting, active }]) => isKept && !installing && !waiting && active.state === "activated")
        .then((isSo) => isSo && caches.open("omniai shell ${version}").then((cache) => cache.match("diagnostics.html")))
        .then(Boolean)`,
    );

  it("opens without any network after one visit, and shows what was known last, with its age", async () => {
    const page = await open();
    await page.getByText("All is well.").waitFor();
    await isKept(page);
    await page.close();
    await Promise.all([site.close(), service.stop()]);
    for (const path of ["", "diagnostics.html"]) {
      const offline = await open(path);
      await offline.locator("#verdict", { hasText: "The service does not answer." }).waitFor();
      await offline.getByText(/^\d+ .* ago it was: All is well\.$/).waitFor();
      if (path === "") await offline.locator("#notice-retry", { hasText: /^Trying again in / }).waitFor();
      await isAccessible(offline, `${path} without a network`);
      await offline.close();
    }
  });

  it(`publishes a new version to ${TABS} open tabs without a reload of any, and mixes no files`, async () => {
    const first = await open();
    await isLive(first);
    await isKept(first);
    const before = await versionIn(first);
    // So many pages that ask each second would be a test of this machine.
    site.configure({ stack: "test", apiBaseUrl: service.url, measureSeconds: 10 });
    const tabs: Page[] = [];
    for (let n = 0; n < TABS; n += 1)
      tabs.push(await openBeside(first, ["", "diagnostics.html", "?public"][n % 3] ?? ""));
    await Promise.all(tabs.map(isLive));
    // The service may not know yet of one that has ended.
    await eventually("one stream for all tabs", async () => {
      const diag = (await (await fetch(`${service.url}/api/diag`)).json()) as { events: { streams: number } };
      return diag.events.streams === 1;
    });
    let navigations = 0;
    for (const tab of tabs) tab.on("framenavigated", () => (navigations += 1));
    const published = site.publish({
      "style.css": (content) => `${content}\n/* new */\n`,
      "index.html": (content) => content.replace("Live events", "Newest events"),
    });
    assert.notEqual(published, before);
    // The first visit after it finds the new version at the server, and brings the worker of it.
    await context.addInitScript(`{
      const { update } = ServiceWorkerRegistration.prototype;
      globalThis.updates = 0;
      ServiceWorkerRegistration.prototype.update = function () {
        updates += 1;
        return update.call(this);
      };
    }`);
    const newest = await open();
    await newest.getByText("Newest events").first().waitFor();
    assert.equal(await versionIn(newest), published);
    // A busy browser looks late for a new worker, so each visit has it look.
    await eventually("the question for a new worker", () => holds(newest, "updates > 0"));
    await eventually("the new version's worker", () => hasWorkerOf(newest, published), 120_000);
    await eventually("a visit from it", async () => {
      const next = await open("diagnostics.html");
      const version = await versionIn(next);
      await next.close();
      return version === published;
    });
    for (const tab of tabs)
      assert.equal(await versionIn(tab), before, "an open tab has all of its files from its own version");
    await Promise.all(tabs.map(isLive));
    assert.equal(navigations, 0);
  });

  it("brings a new version also when a file of it does not arrive at first", async () => {
    const first = await open();
    await isLive(first);
    await isKept(first);
    const published = site.publish({ "style.css": (content) => `${content}\n/* new */\n` });
    const content = await (await fetch(`${site.origin}/diagnostics.html`)).text();
    site.put("diagnostics.html", undefined);
    const newest = await open();
    await eventually("a try that fails", () =>
      holds(
        newest,
        `Promise.all([caches.has("omniai shell ${published}"), navigator.serviceWorker.getRegistration()])
          .then(([isBegun, { installing }]) => isBegun && !installing)`,
      ),
    );
    assert.equal(await hasWorkerOf(newest, published), false);
    site.put("diagnostics.html", content);
    await eventually("the new version's worker", () => hasWorkerOf(newest, published), 60_000);
  });

  it("is kept also when a file of it does not arrive at the first visit", async () => {
    const content = await (await fetch(`${site.origin}/diagnostics.html`)).text();
    site.put("diagnostics.html", undefined);
    const page = await open();
    await eventually("a try that fails", () =>
      holds(
        page,
        `Promise.all([caches.keys(), navigator.serviceWorker.getRegistration()])
          .then(([names, registration]) => names.some((name) => name.startsWith("omniai shell")) && !registration?.installing)`,
      ),
    );
    site.put("diagnostics.html", content);
    await isKept(page);
  });

  for (const where of ["another origin", "the page's own origin"])
    it(`lets its worker rest: what open pages ask of the API at ${where} goes past it`, async () => {
      const worker = await (await fetch(`${site.origin}/sw.js`)).text();
      // Before the worker's own listener: what that answers is told to no other.
      const listen =
        'addEventListener("fetch", ({ request }) => (globalThis.seen ??= []).push(request.url));';
      site.put("sw.js", `${listen}\n${worker}`);
      // As the edge serves both.
      const edge = await startOddProxy((path) => (path.startsWith("/api/") ? service.url : site.origin));
      const isOwn = where !== "another origin";
      if (isOwn) site.configure({ stack: "test", apiBaseUrl: OWN_ORIGIN, measureSeconds: 1 });
      const [origin, api] = isOwn ? [edge.url, `${edge.url}/api/`] : [site.origin, service.url];
      try {
        await isKept(await open("", origin));
        const page = await open("", origin);
        const asked: string[] = [];
        page.on("request", (request) => asked.push(request.url()));
        await isLive(page);
        await eventually("questions", () => asked.filter((url) => url.startsWith(api)).length > 3);
        const seen = await context.serviceWorkers()[0]?.evaluate<string[]>("seen");
        assert.ok(seen?.includes(`${origin}/app.js`));
        assert.deepEqual(
          seen?.filter((url) => url.startsWith(api)),
          [],
        );
      } finally {
        await context.close();
        await edge.close();
      }
    });

  it("goes, with all that is kept, once the config wants no shell", async () => {
    const page = await open();
    await page.getByText("All is well.").waitFor();
    await isKept(page);
    site.configure({ stack: "test", apiBaseUrl: service.url, features: featuresWithout(["offline"]) });
    const last = await open();
    await last.getByText("All is well.").waitFor();
    const left = "Promise.all([navigator.serviceWorker.getRegistration(), caches.keys()])";
    await eventually("nothing is kept", () =>
      holds(last, `${left}.then(([worker, names]) => worker === undefined && names.length === 0)`),
    );
    for (const each of [page, last]) await each.close();
    const next = await open();
    await next.getByText("All is well.").waitFor();
    assert.equal(await next.evaluate("navigator.serviceWorker.controller"), null);
    assert.equal(
      await next.evaluate<boolean>(
        `${left}.then(([worker, names]) => worker === undefined && names.length === 0)`,
      ),
      true,
    );
  });

  it("leaves the address to whatever else is served there later", async () => {
    const page = await open();
    await isLive(page);
    await isKept(page);
    site.put("index.html", "<!doctype html><title>another app</title><script src=app.js></script>");
    site.put("app.js", "document.title = 'another script';");
    await page.reload();
    await page.waitForFunction("document.title === 'another script'");
  });

  describe("without a usable config", () => {
    const cases: [what: string, change: () => void, told: RegExp][] = [
      ["is missing", () => site.put("runtime-config.json", undefined), /is not there/],
      ["is no JSON", () => site.put("runtime-config.json", "{"), /is no JSON/],
      [
        "is of a captive portal",
        () => site.put("runtime-config.json", "<html>", "text/html"),
        /Something else answers/,
      ],
      [
        "is not valid",
        () => site.put("runtime-config.json", '{"stack":"x","apiBaseUrl":"ftp://x"}'),
        /not valid: apiBaseUrl/,
      ],
    ];
    for (const [what, change, told] of cases)
      it(`says that it ${what}, and what to do`, async () => {
        change();
        for (const path of ["", "diagnostics.html"]) {
          const page = await open(path);
          await page.getByText("This page cannot start.").waitFor();
          const reason = await page.locator("#reasons li").innerText();
          assert.match(reason, told);
          assert.match(reason, /Publish the page again|open any other page first/);
          await isAccessible(page, `${path} whose config ${what}`);
          await page.close();
        }
      });

    it("starts by itself as soon as there is one", async () => {
      site.put("runtime-config.json", undefined);
      const page = await open();
      await page.getByText("This page cannot start.").waitFor();
      site.configure({ stack: "test", apiBaseUrl: service.url });
      await page.getByText("All is well.").waitFor();
    });

    it("says that it is of another version than the page, and of another stack than the API", async () => {
      site.configure({ stack: "test", apiBaseUrl: service.url, pageVersion: "abc" });
      const page = await open();
      await page.getByText("A newer version of this page has been published.").waitFor();
      await page.getByRole("button", { name: "Reload" }).waitFor();
      await isAccessible(page, "an old page");
      // News of an outage comes and goes; this stays.
      await isLive(page);
      await context.setOffline(true);
      await page.getByText("This device is offline. Events come when it is back.").waitFor();
      await page.getByRole("button", { name: "Reload" }).waitFor();
      await isAccessible(page, "an old page, offline");
      await context.setOffline(false);
      await page.getByText(/^Back after /).waitFor();
      await page.getByRole("button", { name: "Reload" }).waitFor();
      site.configure({ stack: "other", apiBaseUrl: service.url });
      const foreign = await open("diagnostics.html");
      await foreign.getByText(/This page belongs to stack other, but .* is stack /).waitFor();
      const front = await open();
      await front.getByText(/This page belongs to stack other, but .* is stack /).waitFor();
      await isLive(front);
      await service.stop();
      await front.getByText(/^The service cannot be reached/).waitFor();
      await front.getByText(/This page belongs to stack other, but .* is stack /).waitFor();
    });
  });
});
