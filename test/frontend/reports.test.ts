/** What the page reports of its own errors, when, and when not: in a real Chromium, against the real service. */
import { strict as assert } from "node:assert";
import type { BrowserContext, Page } from "playwright-core";
import { featuresWithout } from "../../frontend/publish/runtime-config.ts";
import { diagSchema } from "../../service/src/diag/schema.ts";
import { eventually, startInstance } from "../../service/test/support/instance.ts";
import { isAccessible } from "./support/axe.ts";
import { visit } from "./support/browser.ts";
import { stand } from "./support/stand.ts";

interface Report {
  readonly errors: readonly { readonly message: string; readonly count: number }[];
}

describe("the reports of a page", () => {
  const parts = stand();
  let context: BrowserContext;
  let page: Page;
  let sent: Report[];

  beforeEach(async () => {
    const { url } = await parts.backend.ready();
    parts.site.configure({ stack: "test", apiBaseUrl: url, measureSeconds: 1 });
    context = await parts.browser.newContext({ serviceWorkers: "block" });
    page = await context.newPage();
    sent = [];
    page.on("request", (request) => {
      if (request.url().endsWith("/client-reports")) sent.push(request.postDataJSON() as Report);
    });
  });
  afterEach(() => context.close());

  const open = async (path = ""): Promise<void> => {
    await visit(page, `${parts.site.origin}/${path}`);
    await page.locator("#connection-text", { hasText: /^Live$/ }).waitFor();
    await page.getByText("All is well.").waitFor();
  };
  /** As when a user switches to another tab, and comes back. */
  const switchTabs = (): Promise<unknown> =>
    page.evaluate(`for (const state of ["hidden", "visible"]) {
      Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }`);
  const fail = (times: number): Promise<unknown> =>
    page.evaluate(
      `for (let n = 0; n < ${times}; n += 1) console.error("Bearer abc.def of request", 1000 + n)`,
    );
  /** The promise of a reason, as unhandled: it must not end the evaluation. */
  const reject = (): Promise<unknown> => page.evaluate('void Promise.reject(new Error("nobody caught it"))');
  const choice = () => page.getByLabel("Send the figures of the connection");
  const counted = (report: Report | undefined): Readonly<Record<string, number>> =>
    Object.fromEntries((report?.errors ?? []).map(({ message, count }) => [message, count]));

  for (const path of ["", "diagnostics.html"])
    it(`have its errors, those of the console and failed requests, grouped and without secrets: /${path}`, async () => {
      await open(path);
      await fail(3);
      await reject();
      const headers = {
        "access-control-allow-origin": parts.site.origin,
        "access-control-allow-credentials": "true",
      };
      const summary = "**/api/diag/health-summary";
      const refused = page.waitForResponse((response) => response.status() === 503);
      await page.route(summary, (route) => route.fulfill({ status: 503, headers, body: "" }), { times: 1 });
      await (await refused).finished();
      const stored = page.waitForResponse(/client-reports/);
      await switchTabs();
      assert.equal((await stored).status(), 202);
      const errors = counted(sent[0]);
      assert.equal(errors["console: Bearer [removed] of request 1000"], 3);
      assert.equal(errors["Error: nobody caught it"], 1);
      assert.equal(errors["network: GET /api/diag/health-summary: 503"], 1);
      assert.doesNotMatch(JSON.stringify(sent), /abc\.def/);
    });

  it("tell after an outage which requests had no answer in it, and never of themselves", async () => {
    await open();
    await parts.backend.stop();
    await page.getByText("The service does not answer.").waitFor();
    const refused = page.waitForEvent("requestfailed", (request) =>
      request.url().endsWith("/client-reports"),
    );
    await switchTabs();
    await refused;
    const { url } = await parts.backend.ready();
    await page.getByText("All is well.").waitFor();
    const stored = page.waitForResponse(/client-reports/);
    await switchTabs();
    assert.equal((await stored).status(), 202);
    const [first, last] = [counted(sent[0]), counted(sent.at(-1))];
    const away = "network: GET /api/diag/health-summary: no answer";
    assert.ok((last[away] ?? 0) >= (first[away] ?? NaN), JSON.stringify([first, last]));
    assert.doesNotMatch(JSON.stringify(sent), /client-reports/);
    await eventually(
      "the service counts them",
      async () => {
        const diag = diagSchema.parse(await (await fetch(`${url}/api/diag`)).json());
        return (diag.quality?.errors ?? 0) >= (last[away] ?? NaN);
      },
      20_000,
    );
  });

  it("are bounded, and make no loop where the service takes no more of them", async () => {
    const busy = await startInstance({
      OMNIAI_STACK: "test",
      OMNIAI_CORS_ORIGINS: parts.site.origin,
      OMNIAI_CLIENT_REPORTS_PER_MINUTE: "1",
    });
    try {
      const report = {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ client: "another-page" }),
      };
      const isFull = async () => (await fetch(`${busy.url}/api/diag/client-reports`, report)).status === 429;
      await eventually("no more reports are taken", isFull);
      parts.site.configure({ stack: "test", apiBaseUrl: busy.url });
      await open();
      const statuses: number[] = [];
      page.on("response", (response) => {
        if (response.url().endsWith("/client-reports")) statuses.push(response.status());
      });
      await page.evaluate('for (let n = 0; n < 100; n += 1) console.error("kind " + "x".repeat(n))');
      for (let n = 1; n <= 3; n += 1) {
        await switchTabs();
        await eventually(`answer ${n}`, () => statuses.length === n);
      }
      await page.waitForTimeout(1500);
      assert.deepEqual(statuses, [429, 429, 429]);
      // What was refused waits for the next report, which is as long as any.
      assert.deepEqual(
        sent.map(({ errors }) => errors.map(({ count }) => count)),
        [1, 2, 3].map(() => Array.from({ length: 20 }, () => 1)),
      );
      assert.doesNotMatch(JSON.stringify(sent), /client-reports/);
    } finally {
      await busy.stop();
    }
  });

  it("are not sent where the user does not want them, also after a reload, until the user does", async () => {
    await open();
    await isAccessible(page, "with the choice");
    await choice().uncheck();
    await fail(1);
    await switchTabs();
    await open("diagnostics.html");
    assert.equal(await choice().isChecked(), false);
    await fail(1);
    await switchTabs();
    await page.waitForTimeout(500);
    assert.equal(sent.length, 0);
    await choice().check();
    await fail(2);
    const stored = page.waitForResponse(/client-reports/);
    await switchTabs();
    await stored;
    assert.deepEqual(
      counted(sent[0]),
      { "console: Bearer [removed] of request 1000": 2 },
      "only what came later",
    );
  });

  it("are not sent by any open tab once the user does not want them in one", async () => {
    await open();
    const first = page;
    page = await context.newPage();
    page.on("request", (request) => {
      if (request.url().endsWith("/client-reports")) sent.push(request.postDataJSON() as Report);
    });
    await open();
    await fail(1);
    await first.getByLabel("Send the figures of the connection").uncheck();
    await page.locator("#reports:not(:checked)").waitFor();
    await fail(1);
    await switchTabs();
    await page.waitForTimeout(500);
    assert.equal(sent.length, 0);
    await first.getByLabel("Send the figures of the connection").check();
    await page.locator("#reports:checked").waitFor();
    await fail(2);
    const stored = page.waitForResponse(/client-reports/);
    await switchTabs();
    await stored;
    assert.deepEqual(counted(sent[0]), { "console: Bearer [removed] of request 1000": 2 });
  });

  it("are not sent where the browser asks for privacy, or the page's config says so", async () => {
    await page.addInitScript(
      'Object.defineProperty(Navigator.prototype, "globalPrivacyControl", { value: true })',
    );
    await open();
    assert.equal(await choice().isChecked(), false);
    const { url } = await parts.backend.ready();
    parts.site.configure({ stack: "test", apiBaseUrl: url, features: featuresWithout(["reports"]) });
    await open();
    assert.equal(await choice().isVisible(), false);
    await fail(1);
    await switchTabs();
    await page.waitForTimeout(500);
    assert.equal(sent.length, 0);
  });
});
