/** diagnostics.html in a real Chromium, against the real service: what it shows, tests, reports, and who can use it. */
import { strict as assert } from "node:assert";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { post, type Instance } from "../../service/test/support/instance.ts";
import { isAccessible } from "./support/axe.ts";
import { Backend } from "./support/backend.ts";
import { sharedBrowser, visit } from "./support/browser.ts";
import { servePage, type PageServer } from "./support/page-server.ts";

/** What of the page may come over the network before it is painted, in bytes. */
const FIRST_PAINT_BYTES = 100_000;

describe("the diagnostics page", () => {
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let site: PageServer;
  let service: Instance;
  let errors: string[];

  const backend = new Backend(() => ({ OMNIAI_CORS_ORIGINS: site.origin }));

  before(async () => {
    [browser, site] = await Promise.all([sharedBrowser(), servePage()]);
  });
  after(async () => {
    await backend.stop();
    await site.close();
  });
  beforeEach(async () => {
    service = await backend.ready();
    site.configure({ stack: "test", apiBaseUrl: service.url, measureSeconds: 1 });
    errors = [];
  });
  afterEach(async () => {
    await context.close();
    assert.deepEqual(errors, []);
  });

  const open = async (
    options: Parameters<Browser["newContext"]>[0] = {},
    path = "diagnostics.html",
  ): Promise<void> => {
    context = await browser.newContext({ serviceWorkers: "block", ...options });
    page = await context.newPage();
    page.on("pageerror", (error) => errors.push(error.message));
    await page.addInitScript(`globalThis.shift = 0; new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) if (!entry.hadRecentInput) globalThis.shift += entry.value;
    }).observe({ type: "layout-shift", buffered: true });`);
    await visit(page, `${site.origin}/${path}`);
    await page.locator("#connection-text", { hasText: /^Live$/ }).waitFor();
    await page.locator("#verdict", { hasText: "All is well." }).waitFor();
  };
  const text = (id: string): Promise<string> => page.locator(`#${id}`).innerText();
  const overflow = async (): Promise<number> =>
    page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");

  it("shows the parts of the service, the connection's quality and both charts, light and fast", async () => {
    await open();
    await page.locator("#database", { hasText: "Good" }).waitFor();
    await page.locator("#redis", { hasText: "Good" }).waitFor();
    await page.locator("#replicas", { hasText: /^\d+$/ }).waitFor();
    await page.locator("#grade", { hasText: "good" }).waitFor();
    await page.locator("#score-chart canvas").waitFor();
    await page.locator("#times-chart canvas").waitFor();
    const { id } = await post(service, { type: "counted", data: 1 });
    await page.locator("#rate", { hasText: "0.02" }).waitFor();
    assert.match(id, /-/);
    assert.match(await text("rtt"), /^\d+(\.\d)? ms$/);
    assert.match(await text("times-chart-text"), /at the median/);
    await page.locator("#timeline li", { hasText: "Connected: events stream." }).waitFor();
    await isAccessible(page, "all is well");
    assert.ok(
      (await page.evaluate<number>("shift")) < 0.02,
      `a layout shift of ${await page.evaluate<number>("shift")}`,
    );
    const { bytes, charts } = await page.evaluate<{ bytes: number; charts: number[] }>(`(() => {
      const painted = performance.getEntriesByName("first-contentful-paint")[0].startTime;
      const all = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
        .filter(({ name }) => name.startsWith(location.origin));
      const isChart = ({ name }) => name.includes("/vendor/");
      return {
        bytes: all.filter((entry) => !isChart(entry)).reduce((sum, { encodedBodySize }) => sum + encodedBodySize + 300, 0),
        charts: all.filter(isChart).map(({ startTime }) => startTime - painted),
      };
    })()`);
    assert.ok(bytes < FIRST_PAINT_BYTES, `${bytes} bytes`);
    assert.equal(charts.length, 2);
  });

  it("tests everything, and gives a report without secrets", async () => {
    await open({ permissions: ["clipboard-read", "clipboard-write"] });
    await page.evaluate('setTimeout(() => { console.error("Bearer abc.def token=1"); }, 0)');
    await page.getByRole("button", { name: "Test everything" }).click();
    await page.getByText(/^All \d+ are good\.$/).waitFor({ timeout: 30_000 });
    assert.equal(await page.locator("#results li").count(), 16);
    await isAccessible(page, "after the tests");
    await page.getByRole("button", { name: "Copy a report" }).click();
    await page.getByText("The report is in the clipboard.").waitFor();
    const report = await page.evaluate<string>("navigator.clipboard.readText()");
    assert.match(report, /verdict: pass: All is well\./);
    assert.match(report, /pass: CORS: the service lets this page read/);
    assert.match(report, /1 × console: Bearer \[removed\]/);
    assert.doesNotMatch(report, /abc\.def/);
  });

  it("says what is wrong in an outage and what to do, notes it, and recovers", async () => {
    await open();
    await backend.stop();
    await page.locator("#verdict", { hasText: "The service does not answer." }).waitFor();
    await page.getByText("Test everything says where the way is closed.").waitFor();
    await page.locator("#timeline li", { hasText: "Connection lost" }).waitFor();
    await page.getByRole("button", { name: "Test everything" }).click();
    await page.locator("#results li[data-status=fail]", { hasText: "does not answer" }).waitFor();
    await page.locator("#tests-sum", { hasText: /bad/ }).waitFor({ timeout: 30_000 });
    await isAccessible(page, "in an outage");
    await backend.ready();
    await page.locator("#verdict", { hasText: "All is well." }).waitFor();
    await page.locator("#timeline li", { hasText: /^.*Connected: .*, after \d+ s\.$/ }).waitFor();
    assert.equal(await page.locator("#timeline li", { hasText: "Connection lost" }).count(), 1);
    await page.locator("#grade", { hasText: /good|fair/ }).waitFor();
  });

  for (const status of [502, 503])
    it(`says that the service is away while the edge answers ${status} in its place, in the report as well`, async () => {
      await open({ permissions: ["clipboard-read", "clipboard-write"] });
      await page.locator("#database", { hasText: "Good" }).waitFor();
      const headers = {
        "access-control-allow-origin": site.origin,
        "access-control-allow-credentials": "true",
      };
      await page.route(/\/api\/diag/, (route) => route.fulfill({ status, headers, body: "<h1>?</h1>" }));
      await page.locator("#verdict", { hasText: "The service is away for a while." }).waitFor();
      assert.deepEqual([await text("database"), await text("replicas")], ["unknown", "unknown"]);
      const noted = page.locator("#timeline li", { hasText: "The service is away for a while." });
      await noted.waitFor();
      await page.getByRole("button", { name: "Copy a report" }).click();
      await page.getByText("The report is in the clipboard.").waitFor();
      const report = await page.evaluate<string>("navigator.clipboard.readText()");
      assert.match(report, /verdict: away: The service is away for a while\.\nbuild: not known/);
      await page.unroute(/\/api\/diag/);
      await page.locator("#database", { hasText: "Good" }).waitFor();
      assert.equal(await noted.count(), 1);
    });

  it("says that CORS is what refuses it", async () => {
    const other = await servePage();
    other.configure({ stack: "test", apiBaseUrl: service.url, measureSeconds: 1 });
    context = await browser.newContext({ serviceWorkers: "block" });
    page = await context.newPage();
    await visit(page, `${other.origin}/diagnostics.html`);
    await page.locator("#verdict", { hasText: "The service does not answer." }).waitFor();
    await page.getByRole("button", { name: "Test everything" }).click();
    await page
      .locator("#results li[data-status=fail]", { hasText: "omniai:corsOrigins" })
      .waitFor({ timeout: 30_000 });
    await page.locator("#results li[data-status=pass]", { hasText: "The service answers" }).waitFor();
    await other.close();
  });

  for (const path of ["diagnostics.html", "", "?public"])
    it(`can be used by everybody: /${path}`, async () => {
      const phone = { width: 360, height: 740 };
      const desktop = { width: 1280, height: 800 };
      const twice = "document.documentElement.style.fontSize = '200%'";
      await open({ viewport: phone, colorScheme: "dark" }, path);
      const fits = async (what: string): Promise<void> => {
        await isAccessible(page, what);
        assert.ok((await overflow()) <= 0, `${what}: ${await overflow()} px too wide`);
      };
      await fits("a phone, dark");
      await page.emulateMedia({ colorScheme: "light" });
      await page.evaluate(twice);
      await fits("a phone with twice the text size");
      await page.setViewportSize(desktop);
      await fits("twice the text size");
      await page.setViewportSize({ width: 800, height: 800 });
      await page.evaluate(
        "document.documentElement.style.fontSize = '', document.documentElement.dir = 'rtl'",
      );
      await fits("right to left");
      await page.setViewportSize(desktop);
      await page.evaluate("document.documentElement.dir = ''");
      await page.emulateMedia({ reducedMotion: "reduce" });
      assert.equal(await page.evaluate("document.getAnimations().length"), 0);
      await isReachedByKeyboard();
      await page.setViewportSize(phone);
      await page.evaluate(`[...document.querySelectorAll("dt, h2, h3, button, label")].forEach((each, n) => {
        if (each.firstChild?.nodeType === 3) each.firstChild.data = n + "Verbindungsgeschwindigkeits\u00adüberwachung";
      })`);
      await fits("German lengths");
    });

  async function isReachedByKeyboard(): Promise<void> {
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate("document.activeElement.className"), "skip");
    const reached = new Set<string>();
    for (let n = 0; n < 30; n += 1) {
      await page.keyboard.press("Tab");
      reached.add(await page.evaluate("document.activeElement.outerHTML.slice(0, 80)"));
    }
    const wanted = await page.evaluate<string[]>(
      `[...document.querySelectorAll("a, button, input")].filter((each) => each.checkVisibility() && each.className !== "skip").map((each) => each.outerHTML.slice(0, 80))`,
    );
    for (const each of wanted) assert.ok(reached.has(each), `not reached by the keyboard: ${each}`);
  }
});
