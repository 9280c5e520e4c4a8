/** "Test everything" where something is wrong: what it says of each, and what to do, with a real service and a real proxy before it. */
import { strict as assert } from "node:assert";
import type { ServerResponse } from "node:http";
import type { Browser, BrowserContext, Page } from "playwright-core";
import type { User } from "../../service/src/auth/stores/users.ts";
import { addUser, PASSWORD, startAuth } from "../../service/test/support/auth.ts";
import type { Instance } from "../../service/test/support/instance.ts";
import { sharedBrowser, visit } from "./support/browser.ts";
import { startOddProxy, type Oddity, type OddProxy } from "./support/odd-proxy.ts";
import { servePage, type PageServer } from "./support/page-server.ts";
import { isSignedIn, sendLogin, signIn } from "./support/sign-in.ts";

/** What a slow machine takes for a first part or an answer is no finding, so the page's own limits are longer here. */
const SECONDS = 20;
const BUFFERED_MS = 10_000;
const PATIENCE_MS = 60_000;
const MINUTES_5 = 5 * 60_000;

describe("Test everything, where something is wrong", () => {
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let site: PageServer;
  let proxy: OddProxy;
  let service: Instance;
  let user: User;

  const start = (mode: "session" | "both"): Promise<Instance> =>
    startAuth(mode, {
      OMNIAI_STACK: "test",
      OMNIAI_CORS_ORIGINS: site.origin,
      OMNIAI_PAGE_SITE: "same-site",
    });

  before(async () => {
    [browser, site] = await Promise.all([sharedBrowser(), servePage()]);
    site.publish({
      "js/diag/checks.js": (text) =>
        text
          .replace(/^const SECONDS = .*;$/m, `const SECONDS = ${SECONDS};`)
          .replace(/^const BUFFERED_MS = .*;$/m, `const BUFFERED_MS = ${BUFFERED_MS};`),
    });
    service = await start("session");
    proxy = await startOddProxy(() => service.url);
    site.configure({ stack: "test", apiBaseUrl: proxy.url });
    user = await addUser();
  });
  after(async () => {
    await proxy.close();
    await service.stop();
    await site.close();
  });
  beforeEach(async () => {
    proxy.become({});
    context = await browser.newContext({ serviceWorkers: "block" });
    page = await context.newPage();
  });
  afterEach(() => context.close());

  const open = (): Promise<void> => visit(page, `${site.origin}/diagnostics.html`);
  const allowed = (): Record<string, string> => ({
    "content-type": "text/html",
    "access-control-allow-origin": site.origin,
    "access-control-allow-credentials": "true",
  });
  const plain = (status: number) => (response: ServerResponse) =>
    void response.writeHead(status, allowed()).end();
  /** Runs all of them. @returns the texts of those with this result, by name */
  const test = async (status: "fail" | "warn" | "skip"): Promise<Readonly<Record<string, string>>> => {
    await page.locator("#verdict", { hasText: "All is well." }).waitFor();
    await page.getByRole("button", { name: "Test everything" }).click();
    await page.locator("#tests-sum", { hasText: /good\.$/ }).waitFor({ timeout: PATIENCE_MS });
    const rows = await page.evaluate<[string, string][]>(
      `[...document.querySelectorAll("#results li[data-status=${status}]")].map(({ children: [, name, text] }) => [name.textContent, text.textContent])`,
    );
    return Object.fromEntries(rows);
  };

  it("finds nothing where nothing is, with a session and its token", async () => {
    await open();
    await signIn(page, user.name);
    assert.deepEqual(await test("fail"), {});
    assert.deepEqual(await test("warn"), {});
    await page.getByText("The session's cookie is kept and sent.").waitFor();
    await page.getByText("The service gives one for this session, and takes it.").waitFor();
    assert.equal(await page.locator("#errors").innerText(), "0", "what a test tries is no error of the page");
  });

  it("leaves no name of the user who tried it in the report of whoever comes after", async () => {
    await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: site.origin });
    await open();
    await signIn(page, user.name);
    assert.deepEqual(await test("fail"), {});
    await page.getByText(`Signed in as ${user.name}`).waitFor();
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("button", { name: "Sign in" }).waitFor();
    await page.getByRole("button", { name: "Copy a report" }).click();
    await page.getByText("The report is in the clipboard.").waitFor();
    const report = await page.evaluate<string>("navigator.clipboard.readText()");
    assert.match(report, /Signed in as \[user\], mode session\./);
    assert.ok(!report.includes(user.name));
  });

  it("says that a proxy takes the CSRF token away", async () => {
    await open();
    await signIn(page, user.name);
    proxy.become({ request: (headers) => delete headers["x-csrf-token"] });
    const { "CSRF token": text, ...others } = await test("fail");
    assert.match(text ?? "", /refuses the token that it has just given.*X-CSRF-Token away: let it pass/);
    assert.deepEqual(others, {});
  });

  const typed = (type: string) => (response: ServerResponse) =>
    void response
      .writeHead(400, { ...allowed(), "content-type": "application/problem+json" })
      .end(JSON.stringify({ type: `urn:omniai:problem:${type}`, title: "So it is." }));
  for (const [what, answer, status, said] of [
    ["does not let them pass", plain(403), "fail", /^Something answers 403 in the place of the service\./],
    ["takes them itself", plain(200), "fail", /^Something takes an event with nothing in it/],
    ["has no replica for them", plain(503), "skip", /^It cannot be tried now: The service answered 503\.$/],
    [
      "refuses them as the service does",
      typed("insufficient-scope"),
      "skip",
      /^It cannot be tried now: So it is\.$/,
    ],
  ] as const)
    it(`does not take a CSRF token for good where a proxy answers what is sent: it ${what}`, async () => {
      await open();
      await signIn(page, user.name);
      proxy.become({ instead: { path: "/api/events", method: "POST", answer } });
      assert.match((await test(status))["CSRF token"] ?? "", said);
    });

  it("says that a cookie was not kept, so that the login was forgotten at once", async () => {
    proxy.become({ answer: (headers) => delete headers["set-cookie"] });
    await open();
    await sendLogin(page, user.name, PASSWORD);
    await page.getByText("Signed in, but this browser does not keep the service's cookie.").waitFor();
    const { Cookies: text, ...others } = await test("fail");
    assert.match(
      text ?? "",
      /did not keep the cookie of localhost:\d+\. So the login was forgotten.*pageAt: edge/,
    );
    assert.deepEqual(others, {});
  });

  it("says that a login goes on with tokens, because its cookie was not kept", async () => {
    const former = service;
    service = await start("both");
    try {
      proxy.become({ answer: (headers) => delete headers["set-cookie"] });
      await open();
      await sendLogin(page, user.name, PASSWORD);
      await isSignedIn(page, user.name);
      const { Cookies: text, ...others } = await test("warn");
      assert.match(text ?? "", /It goes on with tokens\..*pagesDomain/);
      assert.deepEqual(others, {});
    } finally {
      await service.stop();
      service = former;
    }
  });

  it("says that the browser keeps no cookies at all", async () => {
    const devtools = await context.newCDPSession(page);
    await devtools.send("Emulation.setDocumentCookieDisabled", { disabled: true });
    await open();
    const { Cookies: text, ...others } = await test("fail");
    assert.deepEqual(others, {});
    assert.match(text ?? "", /The browser keeps no cookies\.Allow them for this page/);
  });

  const held: [what: string, oddity: Oddity, status: "fail" | "warn", said: RegExp][] = [
    [
      "holds the stream's beginning back",
      { holds: { what: "body", ms: BUFFERED_MS + 1000 } },
      "warn",
      /came \d{5} ms after the headers.*proxy_buffering off/,
    ],
    [
      "buffers the stream until it ends",
      { holds: { what: "body", ms: 600_000 } },
      "fail",
      /It opens, but nothing comes through\..*proxy_buffering off/,
    ],
    [
      "buffers the stream with its headers",
      { holds: { what: "all", ms: 600_000 } },
      "fail",
      /It does not open within 20 s\..*proxy_buffering off/,
    ],
    [
      "answers in the stream's place",
      {
        instead: {
          path: "/api/events",
          answer: (response) =>
            void response.writeHead(200, allowed()).end("<h1>Sign in to the network</h1>"),
        },
      },
      "fail",
      /Something answers with text\/html\..*captive portal/,
    ],
  ];
  for (const [what, oddity, status, said] of held)
    it(`says that a proxy ${what}`, async () => {
      await open();
      await page.getByText("All is well.").waitFor();
      proxy.become(oddity);
      const { "Event stream": text, ...others } = await test(status);
      assert.match(text ?? "", said);
      assert.deepEqual(others, {});
    });

  const polls: [what: string, answer: NonNullable<Oddity["instead"]>["answer"], said: RegExp][] = [
    ["does not let them pass", plain(403), /\/api\/events\/poll answers 403.*Let a proxy between pass/],
    [
      "answers in their place",
      (response) => void response.writeHead(200, allowed()).end("<h1>Sign in to the network</h1>"),
      /something else answers in the place of the service \(text\/html\).*Let a proxy between pass/,
    ],
    ["holds them back", () => undefined, /There was no answer within 20 s\..*Let a proxy between pass/],
  ];
  for (const [what, answer, said] of polls)
    it(`says that polls do not get through: a proxy ${what}`, async () => {
      await open();
      await page.getByText("All is well.").waitFor();
      proxy.become({ instead: { path: "/api/events/poll", answer } });
      const { Polling: text, ...others } = await test("fail");
      assert.match(text ?? "", said);
      assert.deepEqual(others, {});
    });

  for (const [by, said] of [
    [MINUTES_5, /^(29|3\d)\d s ahead of the service's\..*\(NTP\)/],
    [-MINUTES_5, /^(29|3\d)\d s behind the service's\..*\(NTP\)/],
  ] as const)
    it(`says that this device's clock is wrong by ${by / 1000} s`, async () => {
      await page.addInitScript(`{ const { now } = Date; Date.now = () => now() + ${by}; }`);
      await open();
      await page.getByText("All is well.").waitFor();
      const { Clock: text, ...others } = await test("warn");
      assert.match(text ?? "", said);
      assert.deepEqual(others, {});
    });

  it("says that the page is older than the service wants, and that a newer one has been published", async () => {
    const { origin } = site;
    const level = (is: number) => (text: string) => text.replace(/PAGE_LEVEL = \d+/, `PAGE_LEVEL = ${is}`);
    site.publish({ "js/version.js": level(0) });
    await visit(page, `${origin}/diagnostics.html`);
    const old = await test("fail");
    assert.match(
      old["The version of this page"] ?? "",
      /wants pages of level 1; this one is of level 0\..*publish it again/,
    );
    site.publish({ "js/version.js": level(1) });
    await open();
    await page.getByText("All is well.").waitFor();
    const version = site.publish({ "style.css": (text) => `${text}/* newer */` });
    assert.deepEqual(await test("warn"), {}, "the page knows the config that it was opened with");
    site.configure({ stack: "test", apiBaseUrl: proxy.url, pageVersion: "0ther" });
    await open();
    const newer = await test("warn");
    assert.match(
      newer["The version of this page"] ?? "",
      new RegExp(`This is ${version}; 0ther has been published`),
    );
    site.configure({ stack: "test", apiBaseUrl: proxy.url });
  });
});
