/** diagnostics.html in a real Chromium, against the real service: what it shows, tests, reports, and who can use it. */
import { strict as assert } from "node:assert";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { eventually, post, type Instance } from "../../service/test/support/instance.ts";
import { isAccessible } from "./support/axe.ts";
import { visit } from "./support/browser.ts";
import { servePage } from "./support/page-server.ts";
import { stand } from "./support/stand.ts";

/** What of the page may come over the network before it is painted, in bytes. */
const FIRST_PAINT_BYTES = 100_000;
/** How much of the page may move after its first paint, as cumulative layout shift: a word that becomes another one in its place. */
const MOST_MOVED = 0.005;
/** How late each answer comes, in ms. */
const LATE_MS = 300;

describe("the diagnostics page", () => {
  const parts = stand();
  let context: BrowserContext;
  let page: Page;
  let service: Instance;
  let errors: string[];

  beforeEach(async () => {
    service = await parts.backend.ready();
    parts.site.configure({ stack: "test", apiBaseUrl: service.url, measureSeconds: 1 });
    errors = [];
  });
  afterEach(async () => {
    await context.close();
    assert.deepEqual(errors, []);
  });

  const open = async (
    options: Parameters<Browser["newContext"]>[0] = {},
    path = "diagnostics.html",
    prepare = (): Promise<unknown> => Promise.resolve(),
  ): Promise<void> => {
    context = await parts.browser.newContext({ serviceWorkers: "block", ...options });
    page = await context.newPage();
    page.on("pageerror", (error) => errors.push(error.message));
    await page.addInitScript(`globalThis.moved = []; new PerformanceObserver((list) => {
      for (const { hadRecentInput, sources, value } of list.getEntries())
        if (!hadRecentInput)
          moved.push(value.toFixed(5) + " " + sources.map(({ node }) => node?.id || node?.className || node?.nodeName).join(", "));
    }).observe({ type: "layout-shift", buffered: true });`);
    await prepare();
    await visit(page, `${parts.site.origin}/${path}`);
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
  });

  for (const [path, script, shown] of [
    ["diagnostics.html", "diagnostics.js", "#times-chart canvas"],
    ["", "app.js", "#example-publish"],
    ["?public", "app.js", "#days li"],
  ] as const)
    it(`is painted with less than ${FIRST_PAINT_BYTES} bytes, and nothing moves afterwards: /${path}`, async () => {
      await open({}, path, async () => {
        // As over a slow network: the HTML is painted before any script has run, and each answer comes later.
        const isPainted = 'performance.getEntriesByName("first-contentful-paint").length > 0';
        await page.route(`**/${script}`, async (route) => {
          await eventually("the first paint", () => page.evaluate<boolean>(isPainted), 20_000);
          await route.continue().catch(() => undefined);
        });
        await page.route("**/api/**", async (route) => {
          await new Promise((resolve) => void setTimeout(resolve, LATE_MS));
          // The page may have been closed meanwhile.
          await route.continue().catch(() => undefined);
        });
      });
      await page.locator(shown).first().waitFor();
      await page.waitForTimeout(2 * LATE_MS);
      const { bytes, charts, moved } = await page.evaluate<{
        bytes: number;
        charts: number;
        moved: string[];
      }>(`(() => {
        const all = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
          .filter(({ name }) => name.startsWith(location.origin));
        // They come after the first paint.
        const isChart = ({ name }) => name.includes("/vendor/");
        return {
          bytes: all.filter((entry) => !isChart(entry)).reduce((sum, { encodedBodySize }) => sum + encodedBodySize + 300, 0),
          charts: all.filter(isChart).length,
          moved,
        };
      })()`);
      assert.ok(bytes < FIRST_PAINT_BYTES, `${bytes} bytes`);
      assert.equal(charts, path === "diagnostics.html" ? 2 : 0);
      const sum = moved.reduce((all, shift) => all + Number.parseFloat(shift), 0);
      assert.ok(sum < MOST_MOVED, `${sum} moved: ${moved.join("; ")}`);
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
    await parts.backend.stop();
    await page.locator("#verdict", { hasText: "The service does not answer." }).waitFor();
    await page.getByText("Test everything says where the way is closed.").waitFor();
    await page.locator("#timeline li", { hasText: "Connection lost" }).waitFor();
    await page.getByRole("button", { name: "Test everything" }).click();
    await page.locator("#results li[data-status=fail]", { hasText: "does not answer" }).waitFor();
    await page.locator("#tests-sum", { hasText: /bad/ }).waitFor({ timeout: 30_000 });
    await isAccessible(page, "in an outage");
    await parts.backend.ready();
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
        "access-control-allow-origin": parts.site.origin,
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
    context = await parts.browser.newContext({ serviceWorkers: "block" });
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
