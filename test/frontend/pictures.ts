/**
 * Makes the pictures in docs/page anew, of the page as it is, against a real service:
 * `OMNIAI_CHROMIUM=/usr/bin/chromium npx mocha --timeout 300000 test/frontend/pictures.ts`. Look at each before it is committed.
 */
import { strict as assert } from "node:assert";
import { join } from "node:path";
import type { BrowserContextOptions, Page } from "playwright-core";
import { addUser, startAuth } from "../../service/test/support/auth.ts";
import { post, type Instance } from "../../service/test/support/instance.ts";
import { pushEnvironment, startPushService } from "../../service/test/support/push-service.ts";
import { wholeBrowser, visit } from "./support/browser.ts";
import { isKept } from "./support/kept.ts";
import { servePage } from "./support/page-server.ts";
import { subscribesAt } from "./support/push-browser.ts";
import { signIn } from "./support/sign-in.ts";
import { stand } from "./support/stand.ts";

const FOLDER = join(import.meta.dirname, "../../docs/page");
const desktop = { width: 1280, height: 720 };
const phone = { width: 390, height: 844 };
/** How long the charts collect before they are taken. */
const COLLECT_MS = 40_000;

describe("the pictures in docs/page", () => {
  const parts = stand({ OMNIAI_STACK: "prod" });
  let service: Instance;

  before(async () => {
    service = await parts.backend.ready();
    parts.site.configure({ stack: "prod", apiBaseUrl: service.url, measureSeconds: 1, authMode: "none" });
  });

  const open = async (path: string, options: BrowserContextOptions): Promise<Page> => {
    const context = await parts.browser.newContext({
      serviceWorkers: "block",
      reducedMotion: "reduce",
      ...options,
    });
    const page = await context.newPage();
    await visit(page, `${parts.site.origin}/${path}`);
    await page.locator("#connection-text", { hasText: /^Live$/ }).waitFor();
    await page.getByText("All is well.").waitFor();
    return page;
  };
  /** At most three screens of a phone: what is below is for whoever scrolls. */
  const take = async (page: Page, name: string): Promise<void> => {
    const { width, height: least } = page.viewportSize() ?? desktop;
    const whole = await page.evaluate<number>("document.documentElement.scrollHeight");
    await page.evaluate("scrollTo(0, 0), document.activeElement?.blur()");
    await page.setViewportSize({ width, height: Math.max(least, Math.min(whole, 1900)) });
    await page.screenshot({ path: join(FOLDER, `${name}.png`) });
  };

  it("show the status", async () => {
    for (const [name, viewport] of [
      ["status-desktop-light", desktop],
      ["status-phone-light", phone],
    ] as const) {
      const page = await open("", { viewport, colorScheme: "light" });
      await post(service, { type: "deploy", data: { version: "1.4.0" } });
      await post(service, { type: "order.paid", data: { id: 1042, total: "39.90" } });
      await page.getByRole("button", { name: "Send" }).click();
      await page.locator("#events li", { hasText: "hello" }).waitFor();
      await page.getByText(/^On disk as /).waitFor();
      await take(page, name);
      await page.context().close();
    }
  });

  it("show diagnostics, and an outage", async () => {
    const pages = await Promise.all(
      (
        [
          ["desktop-light", desktop, "light"],
          ["desktop-dark", desktop, "dark"],
          ["phone-dark", phone, "dark"],
        ] as const
      ).map(async ([name, viewport, colorScheme]) => {
        const page = await open("diagnostics.html", { viewport, colorScheme });
        return [name, page] as const;
      }),
    );
    for (const end = Date.now() + COLLECT_MS; Date.now() < end;) {
      await post(service, { type: "tick", data: 1 });
      await new Promise((resolve) => void setTimeout(resolve, 2000));
    }
    for (const [name, page] of pages) {
      // Networks of other tests come and go on this machine, and Chromium breaks off what it asks for then.
      assert.equal(await page.locator("#errors").innerText(), "0", "disturbed: make them once more");
      await take(page, `diagnostics-${name}`);
    }
    await parts.backend.stop();
    for (const [name, page] of pages) {
      if (name === "desktop-dark") continue;
      await page.locator("#verdict", { hasText: "The service does not answer." }).waitFor();
      await page.locator("#connection-text", { hasText: "Offline" }).waitFor({ timeout: 60_000 });
      await page.getByRole("button", { name: "Test everything" }).click();
      await page.locator("#tests-sum", { hasText: /good\.$/ }).waitFor({ timeout: 60_000 });
      await take(page, name === "phone-dark" ? "outage-phone-dark" : "outage-desktop-light");
    }
    for (const [, page] of pages) await page.context().close();
  });
});

describe("the picture of alerts on a device", () => {
  it("shows the card, with another device beside", async () => {
    const [push, site] = await Promise.all([startPushService(), servePage()]);
    const environment = {
      ...{ OMNIAI_STACK: "prod", OMNIAI_CORS_ORIGINS: site.origin, OMNIAI_PAGE_SITE: "same-site" },
      ...pushEnvironment,
      // Somebody watches the stack, though nobody answers here.
      OMNIAI_ALERTS_URLS: "http://127.0.0.1:9/api/v1/alerts",
    };
    const service = await startAuth("session", environment, { pushReach: push.reach });
    site.configure({
      stack: "prod",
      apiBaseUrl: `http://localhost:${service.port}`,
      authMode: "session",
      webPush: true,
    });
    const user = await addUser(["diag:read"]);
    const turnOn = async (options: BrowserContextOptions) => {
      const context = await (await wholeBrowser()).newContext({ reducedMotion: "reduce", ...options });
      await context.grantPermissions(["notifications"], { origin: site.origin });
      const browser = await subscribesAt(push, context);
      const page = await context.newPage();
      await visit(page, `${site.origin}/diagnostics.html`);
      await signIn(page, user.name);
      await isKept(page);
      await page.locator("#push").getByRole("button", { name: "Turn on" }).click();
      await page.locator("#push-state", { hasText: /^on$/ }).waitFor();
      await page.locator("#push").getByRole("button", { name: "Send a test" }).click();
      await page.locator("#push-told", { hasText: /^Sent to/ }).waitFor();
      return { page, browser };
    };
    const other = await turnOn({ viewport: desktop, colorScheme: "dark" });
    const { page: phonePage } = await turnOn({
      ...{ viewport: phone, colorScheme: "light", deviceScaleFactor: 2 },
      userAgent:
        "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/149.0.0.0 Mobile Safari/537.36",
    });
    await phonePage.locator("#push").screenshot({ path: join(FOLDER, "alerts-on-this-device.png") });
    const { page, browser } = other;
    if (browser.device) browser.device.answer = () => ({ status: 403 });
    await page.reload();
    await page.locator("#push").getByRole("button", { name: "Send a test" }).click();
    await page.locator("#push-told", { hasText: /^Sent to 1 of 2/ }).waitFor();
    await page.locator("#push").screenshot({ path: join(FOLDER, "alerts-test-refused-dark.png") });
    await Promise.all([page.context().close(), phonePage.context().close()]);
    await service.stop();
    await Promise.all([site.close(), push.close()]);
  });
});
