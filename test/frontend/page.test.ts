/** The page in a real Chromium, against the real service with real PostgreSQL and Redis, from another origin. */
import { strict as assert } from "node:assert";
import type { BrowserContext, Page } from "playwright-core";
import { post, startInstance, type Instance } from "../../service/test/support/instance.ts";
import { isAccessible } from "./support/axe.ts";
import { visit } from "./support/browser.ts";
import { servePage } from "./support/page-server.ts";
import { stand } from "./support/stand.ts";

describe("the page", () => {
  const parts = stand();
  let context: BrowserContext;
  let page: Page;
  let service: Instance;
  let errors: string[];

  beforeEach(async () => {
    service = await parts.backend.ready();
    parts.site.configure({ stack: "test", apiBaseUrl: service.url });
    // Requests that a worker makes cannot be watched; shell.test.ts has it.
    context = await parts.browser.newContext({ serviceWorkers: "block" });
    page = await context.newPage();
    errors = [];
    page.on("pageerror", (error) => errors.push(error.message));
  });
  afterEach(async () => {
    await context.close();
    assert.deepEqual(errors, []);
  });

  const open = async (): Promise<void> => {
    await visit(page, parts.site.origin);
    await isConnected("Live");
  };
  const isConnected = (text: string, is = true): Promise<void> =>
    page
      .locator("#connection-text", { hasText: new RegExp(`^${text}$`) })
      .waitFor({ state: is ? "visible" : "hidden" });
  /** The values that a page's script exposes; TypeScript does not know the browser here. */
  const ask = <T>(expression: string): Promise<T> => page.evaluate<T>(expression);
  const shown = (): Promise<string[]> =>
    ask("[...document.querySelectorAll('#events li')].map((item) => item.dataset.id).reverse()");
  const sees = async (ids: readonly string[]): Promise<void> => {
    await page.locator(`#events li[data-id="${ids.at(-1)}"]`).waitFor();
    assert.deepEqual(await shown(), ids);
  };

  it("shows the stack's status, and an event from another client", async () => {
    await open();
    await page.getByText("All is well.").waitFor();
    assert.equal(await page.locator("#stack").textContent(), "test");
    const { id } = await post(service, { type: "hello", data: { text: "<img src=x onerror=alert(1)>" } });
    await sees([id]);
    // The text is shown as it is, never as markup.
    assert.equal(await page.locator("#events img").count(), 0);
    assert.match((await page.locator("#events code").textContent()) ?? "", /<img src=x/);
  });

  it("sends an event, and confirms that it is on disk", async () => {
    await open();
    await page.getByLabel("Data (JSON)").fill("not json");
    await page.getByRole("button", { name: "Send" }).click();
    await page.getByText("The data is not JSON.").waitFor();
    await page.getByLabel("Data (JSON)").fill('{"n":1}');
    await page.getByRole("button", { name: "Send" }).click();
    await page.getByText(/^On disk as /).waitFor();
    await page.locator("#events li", { hasText: '{"n":1}' }).waitFor();
  });

  it("shows an outage and the recovery, and misses no event of a restart", async () => {
    await open();
    const { id: first } = await post(service, { type: "before", data: 1 });
    await sees([first]);
    await parts.backend.stop();
    await page.getByText(/The service cannot be reached\. .* Trying again in \d+ s\./).waitFor();
    assert.notEqual(await page.locator("#connection").getAttribute("data-state"), "live");
    // Other clients are connected while the page is not.
    const other = await startInstance();
    const missed = await Promise.all([2, 3, 4].map((n) => post(other, { type: "meanwhile", data: n })));
    await other.stop();
    await parts.backend.ready();
    await isConnected("Live");
    await page.getByText(/Back after .*: 3 caught up, nothing was missed/).waitFor();
    const ids = missed.map(({ id }) => id).sort(byLogOrder);
    await sees([first, ...ids]);
  });

  it("reads an outage out once, and counts it once, however many attempts are in vain", async () => {
    await open();
    await page.evaluate(`{
      globalThis.read = [];
      const watch = () => read.push(document.getElementById("notice-text").textContent);
      new MutationObserver(watch).observe(document.getElementById("notice-text"), { childList: true, characterData: true, subtree: true });
    }`);
    let attempts = 0;
    await page.route(/\/api\/events(\?|\/)/, (route) => ((attempts += 1), route.abort()));
    await parts.backend.stop();
    await page.getByText(/^Trying again in \d+ s\.$/).waitFor();
    while (attempts < 4) await new Promise((resolve) => void setTimeout(resolve, 100));
    assert.deepEqual(await ask("read"), ["The service cannot be reached. Events come when it is back."]);
    const reported = page.waitForRequest(/client-reports/);
    await page.evaluate(
      `Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true });
       document.dispatchEvent(new Event("visibilitychange"));`,
    );
    const report = (await reported).postDataJSON() as { reconnects: { count: number } };
    assert.equal(report.reconnects.count, 1);
  });

  it("does not say that nothing was missed where events were lost for good", async () => {
    await open();
    let isAway = true;
    await page.route(/\/api\/events(\?|$)/, (route) => {
      if (isAway) return route.abort();
      const headers = {
        "access-control-allow-origin": parts.site.origin,
        "access-control-allow-credentials": "true",
        "content-type": "text/event-stream",
      };
      const lost = 'event: reset\ndata: {"reason":"trimmed"}\n\nid: zzzz-1-0\nevent: hb\ndata: {}\n\n';
      return route.fulfill({ headers, body: `retry: 60000\n\n${lost}` });
    });
    await page.route("**/api/events/poll*", (route) => route.abort());
    await parts.backend.stop();
    await page.getByText(/The service cannot be reached/).waitFor();
    isAway = false;
    await page.getByText(/^Back after .*: some events were lost for good\.$/).waitFor();
    await page.locator("#events .gap").waitFor();
  });

  it("loads anew by itself when a file of it did not arrive", async () => {
    const lost = ["js/view.js", "app.js", "style.css"];
    await page.route(/\/(js\/view\.js|app\.js|style\.css)$/, (route) => {
      const at = lost.findIndex((file) => route.request().url().endsWith(file));
      return at < 0 ? route.continue() : (lost.splice(at, 1), route.abort("connectionreset"));
    });
    await open();
    await page.getByText("All is well.").waitFor();
    assert.deepEqual(lost, []);
  });

  it("asks again where its first question of the API's stack, and of the last 90 days, got no answer", async () => {
    parts.site.configure({ stack: "other", apiBaseUrl: service.url, measureSeconds: 1 });
    const lost = new Set(["/api/diag", "/api/diag/uptime"]);
    await page.route("**/api/diag**", (route) =>
      lost.delete(new URL(route.request().url()).pathname)
        ? route.abort("connectionreset")
        : route.continue(),
    );
    await visit(page, `${parts.site.origin}/?public`);
    await page.getByText(/This page belongs to stack other, but .* is stack test/).waitFor();
    await page.locator("#uptime-note", { hasText: /^(The record begins|There is no record yet)/ }).waitFor();
    assert.equal(lost.size, 0);
  });

  it("continues where it was after a reload", async () => {
    await open();
    const { id: seen } = await post(service, { type: "seen", data: 1 });
    await sees([seen]);
    // The page is elsewhere meanwhile, so it does not see the event arrive.
    await page.goto("about:blank");
    const { id: unseen } = await post(service, { type: "unseen", data: 2 });
    await visit(page, parts.site.origin);
    await sees([unseen]);
  });

  it("says when the device is offline, and reconnects at once when it is online", async () => {
    await open();
    await context.setOffline(true);
    await isConnected("Offline");
    await page.getByText("This device is offline. Events come when it is back.").waitFor();
    await page.getByText("Not known while this device is offline.").waitFor();
    const { id } = await post(service, { type: "while-offline", data: 1 });
    await context.setOffline(false);
    await isConnected("Live");
    await sees([id]);
  });

  it("polls with the same cursor where streams do not get through", async () => {
    // Random waits take their longest value: polling must not be delayed until streaming is tried again.
    await page.addInitScript("Math.random = () => 0.999");
    await page.route(/\/api\/events(\?|$)/, (route) => route.abort());
    await visit(page, parts.site.origin);
    await isConnected("Live, by polling");
    const { id: first } = await post(service, { type: "polled", data: 1 });
    await sees([first]);
    const { id: second } = await post(service, { type: "polled", data: 2 });
    await sees([first, second]);
    // Now and then the page tries to stream again, and it returns to polling after the first failure.
    await isConnected("Live, by polling", false);
    await isConnected("Live, by polling");
    const { id: third } = await post(service, { type: "polled", data: 3 });
    await sees([first, second, third]);
  });

  it("works where the browser keeps nothing for it and refuses locks: its storage is blocked", async () => {
    await page.addInitScript(`{
      const refuse = () => { throw new DOMException("Access is denied.", "SecurityError"); };
      for (const name of ["sessionStorage", "localStorage"]) Object.defineProperty(globalThis, name, { get: refuse });
      Object.defineProperty(Navigator.prototype, "serviceWorker", { get: refuse });
      LockManager.prototype.request = async () => refuse();
    }`);
    for (const path of ["", "diagnostics.html"]) {
      await visit(page, `${parts.site.origin}/${path}`);
      await isConnected("Live");
      await page.getByText("All is well.").waitFor();
    }
    await visit(page, parts.site.origin);
    await isConnected("Live");
    const { id } = await post(service, { type: "hello", data: 1 });
    await sees([id]);
  });

  it("works only from its own origin", async () => {
    const other = await servePage();
    other.configure({ stack: "other", apiBaseUrl: service.url });
    await visit(page, other.origin);
    await page.getByText("The service does not answer.").waitFor();
    await other.close();
  });

  it("talks only to its own API", async () => {
    await open();
    const foreign = await servePage();
    const blocked = page.waitForEvent("console", (message) =>
      message.text().includes("Content Security Policy"),
    );
    await assert.rejects(page.evaluate(`fetch("${foreign.origin}/style.css")`), /Failed to fetch/);
    await blocked;
    await foreign.close();
  });

  it("reports on its connection, without the content of events", async () => {
    const opened = page.waitForRequest(/\/api\/events\?/);
    await open();
    await page.getByText("All is well.").waitFor();
    const { id } = await post(service, { type: "secret", data: "canary" });
    await sees([id]);
    const reported = page.waitForRequest(/client-reports/);
    // As when a user switches to another tab.
    await page.evaluate(
      `Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true });
       document.dispatchEvent(new Event("visibilitychange"));`,
    );
    const report = (await reported).postDataJSON() as {
      client: string;
      roundTripMs: number;
      latency: { samples: number; p50Ms: number };
    };
    assert.equal(report.latency.samples, 1);
    assert.ok(report.latency.p50Ms < 5000);
    assert.ok(report.roundTripMs > 0 && report.roundTripMs < 5000, `${report.roundTripMs} ms`);
    assert.equal(new URL((await opened).url()).searchParams.get("client"), report.client);
    assert.doesNotMatch(JSON.stringify(report), /canary|secret/);
    assert.equal((await (await reported).response())?.status(), 202);
  });

  it("is accessible with events in it, and with the news of an outage", async () => {
    await open();
    const { id } = await post(service, { type: "hello", data: { text: "a text" } });
    await sees([id]);
    await isAccessible(page, "with an event");
    await context.setOffline(true);
    await page.getByText("This device is offline. Events come when it is back.").waitFor();
    await isAccessible(page, "offline");
  });
});

/** Compares ids `<epoch>-<ms>-<n>` by their order in the log. */
function byLogOrder(left: string, right: string): number {
  const [a, b] = [left, right].map((id) => id.split("-").slice(1).map(Number));
  return (a?.[0] ?? 0) - (b?.[0] ?? 0) || (a?.[1] ?? 0) - (b?.[1] ?? 0);
}
