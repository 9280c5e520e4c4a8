/** The page in a real Chromium, against the real service with real PostgreSQL and Redis, from another origin. */
import { strict as assert } from "node:assert";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { post, startInstance, type Instance } from "../../service/test/support/instance.ts";
import { launchBrowser } from "./support/browser.ts";
import { servePage, type PageServer } from "./support/page-server.ts";

describe("the page", () => {
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let site: PageServer;
  let service: Instance;
  let errors: string[];

  /** The same address every time, as a service behind an edge has it. */
  const start = (port = 0): Promise<Instance> =>
    startInstance({ OMNIAI_CORS_ORIGINS: site.origin, OMNIAI_PORT: String(port) });

  before(async () => {
    [browser, site] = await Promise.all([launchBrowser(), servePage()]);
    service = await start();
  });
  after(async () => {
    await browser.close();
    await service.stop();
    await site.close();
  });
  beforeEach(async () => {
    site.configure({ stack: "test", apiBaseUrl: service.url, heartbeatSeconds: 0.5 });
    context = await browser.newContext();
    page = await context.newPage();
    errors = [];
    page.on("pageerror", (error) => errors.push(error.message));
  });
  afterEach(async () => {
    await context.close();
    assert.deepEqual(errors, []);
  });

  const open = async (): Promise<void> => {
    await page.goto(site.origin);
    await isConnected("Live");
  };
  const isConnected = (text: string, is = true): Promise<void> =>
    page
      .locator("#connection-text", { hasText: new RegExp(`^${text}$`) })
      .waitFor({ state: is ? "visible" : "hidden" });
  /** What a page's script says of itself; TypeScript does not know the browser here. */
  const ask = <T>(expression: string): Promise<T> => page.evaluate<T>(expression);
  const shown = (): Promise<string[]> =>
    ask("[...document.querySelectorAll('#events li')].map((item) => item.dataset.id).reverse()");
  const sees = async (ids: readonly string[]): Promise<void> => {
    await page.locator(`#events li[data-id="${ids.at(-1)}"]`).waitFor();
    assert.deepEqual(await shown(), ids);
  };

  it("says how the stack is, and sees an event of another client", async () => {
    await open();
    await page.getByText("All is well.").waitFor();
    assert.equal(await page.locator("#stack").textContent(), "test");
    await page.locator("#database", { hasText: "Good" }).waitFor();
    await page.locator("#redis", { hasText: "Good" }).waitFor();
    const { id } = await post(service, { type: "hello", data: { text: "<img src=x onerror=alert(1)>" } });
    await sees([id]);
    // Shown as what it is, and never as markup.
    assert.equal(await page.locator("#events img").count(), 0);
    assert.match((await page.locator("#events code").textContent()) ?? "", /<img src=x/);
  });

  it("sends an event, and says that it is on disk", async () => {
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
    const { port } = service;
    await service.stop();
    await page.getByText(/The service cannot be reached\. Trying again in \d+ s/).waitFor();
    assert.notEqual(await page.locator("#connection").getAttribute("data-state"), "live");
    // While the page is without a connection, others are not.
    const other = await startInstance();
    const missed = await Promise.all([2, 3, 4].map((n) => post(other, { type: "meanwhile", data: n })));
    await other.stop();
    service = await start(port);
    await isConnected("Live");
    await page.getByText(/Back after .*: 3 caught up, nothing was missed/).waitFor();
    const ids = missed.map(({ id }) => id).sort(byLogOrder);
    await sees([first, ...ids]);
  });

  it("goes on where it was after a reload", async () => {
    await open();
    const { id: seen } = await post(service, { type: "seen", data: 1 });
    await sees([seen]);
    // Somewhere else in the meantime: the page is not there to see it.
    await page.goto("about:blank");
    const { id: unseen } = await post(service, { type: "unseen", data: 2 });
    await page.goto(site.origin);
    await sees([unseen]);
  });

  it("says when the device is offline, and is back at once when it is not", async () => {
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

  it("asks page by page where streams do not get through, with the same cursor", async () => {
    // The longest waits that chance allows: asking must not be put off until streaming is to be tried again.
    await page.addInitScript("Math.random = () => 0.999");
    await page.route(/\/api\/events(\?|$)/, (route) => route.abort());
    await page.goto(site.origin);
    await isConnected("Live, by polling");
    const { id: first } = await post(service, { type: "polled", data: 1 });
    await sees([first]);
    const { id: second } = await post(service, { type: "polled", data: 2 });
    await sees([first, second]);
    // It tries to stream again now and then, and comes back to asking with the first failure.
    await isConnected("Live, by polling", false);
    await isConnected("Live, by polling");
    const { id: third } = await post(service, { type: "polled", data: 3 });
    await sees([first, second, third]);
  });

  it("may be used by its own origin alone", async () => {
    const other = await servePage();
    other.configure({ stack: "other", apiBaseUrl: service.url });
    await page.goto(other.origin);
    await page.getByText("The service does not answer.").waitFor();
    await other.close();
  });

  it("talks to its own API and to nobody else", async () => {
    await open();
    const foreign = await servePage();
    const blocked = page.waitForEvent("console", (message) =>
      message.text().includes("Content Security Policy"),
    );
    await assert.rejects(page.evaluate(`fetch("${foreign.origin}/style.css")`), /Failed to fetch/);
    await blocked;
    await foreign.close();
  });

  it("reports how its connection fares, without what was in the events", async () => {
    const opened = page.waitForRequest(/\/api\/events\?/);
    await open();
    await page.getByText("All is well.").waitFor();
    const { id } = await post(service, { type: "secret", data: "canary" });
    await sees([id]);
    const reported = page.waitForRequest(/client-reports/);
    // As when somebody turns to another tab.
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

  it("has a name for everything that can be used, and fits a phone", async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    await open();
    const unnamed = await ask(`[...document.querySelectorAll("button, input")].filter((element) => {
      const label = element.closest("label") ?? element;
      return label.textContent.trim() === "";
    }).length`);
    assert.equal(unnamed, 0);
    const overflow = await ask("document.documentElement.scrollWidth - innerWidth");
    assert.equal(overflow, 0);
  });
});

/** `<epoch>-<ms>-<n>`, the order in which the log has them. */
function byLogOrder(left: string, right: string): number {
  const [a, b] = [left, right].map((id) => id.split("-").slice(1).map(Number));
  return (a?.[0] ?? 0) - (b?.[0] ?? 0) || (a?.[1] ?? 0) - (b?.[1] ?? 0);
}
