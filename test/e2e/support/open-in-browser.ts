/** A stack's page in a real Chromium, through its edge over TLS: it stays open through all that happens to the stack. */
import { strict as assert } from "node:assert";
import { sharedBrowser, visitAndRun } from "../../frontend/support/browser.ts";
import { call, eventually } from "../../support/http.ts";

export interface OpenPage {
  /** Waits until the page has what is in the log since it was asked last: each event once, in the order of the log. */
  hasAll(): Promise<void>;
  /** Waits until its stream is open, and its verdict good. */
  isWell(): Promise<void>;
  /** What its timeline says, the newest first. */
  timeline(): Promise<string[]>;
  /** Errors of its scripts. */
  readonly errors: readonly string[];
  close(): Promise<void>;
}

interface LogPage {
  readonly events: readonly { readonly id: string }[];
  readonly next: string;
  readonly more: boolean;
  readonly reset?: unknown;
}

/** A second user of the transport beside the page's own, which keeps what it was told. */
const FOLLOW = `(async () => {
  const { ConnectionManager } = await import("/js/transport/connection-manager.js");
  const connection = new ConnectionManager({ url: location.origin, measureSeconds: 0 });
  Object.assign(globalThis, { connection, had: [], resets: 0 });
  connection.on("event", ({ id }) => had.push(id));
  connection.on("reset", () => (resets += 1));
  connection.start();
})()`;

/** @param url of the edge, over TLS. */
export async function openInBrowser(url: string): Promise<OpenPage> {
  // The certificate is generated; a service worker would need one that the browser trusts.
  const context = await (
    await sharedBrowser()
  ).newContext({ ignoreHTTPSErrors: true, serviceWorkers: "block" });
  const page = await context.newPage();
  const errors: string[] = [];
  page.on("pageerror", ({ message }) => errors.push(message));
  await visitAndRun(page, `${url}/diagnostics.html`, FOLLOW);
  // Not by waitForFunction, which the page's policy forbids.
  await eventually("the page's place in the log", 60, () =>
    page.evaluate<boolean>("connection.cursor !== undefined"),
  );
  let cursor = await page.evaluate<string>("connection.cursor");

  /** The log behind the cursor, as a client without streams reads it. */
  const logged = async (): Promise<string[]> => {
    const ids: string[] = [];
    for (let after = cursor, more = true; more;) {
      const { status, text } = await eventually("the log", 30, async () => {
        const answer = await call(`${url}/api/events/poll?after=${after}&limit=500&wait=0`);
        return answer.status !== 503 && answer;
      });
      assert.equal(status, 200, text);
      const found = JSON.parse(text) as LogPage;
      assert.equal(found.reset, undefined, "the log goes back to where the page was");
      ids.push(...found.events.map(({ id }) => id));
      ({ next: after, more } = found);
    }
    return ids;
  };

  return {
    errors,
    async hasAll() {
      const expected = await logged();
      const last = expected.at(-1);
      if (last !== undefined)
        await eventually("the page's newest event", 60, () =>
          page.evaluate<boolean>(`had.includes(${JSON.stringify(last)})`),
        );
      const had = await page.evaluate<string[]>("had.splice(0)");
      cursor = had.at(-1) ?? cursor;
      assert.deepEqual(had.slice(0, expected.length), expected, "an event was lost or came twice");
      assert.equal(await page.evaluate("resets"), 0);
    },
    async isWell() {
      await page.locator("#connection-text", { hasText: /^Live$/ }).waitFor({ timeout: 90_000 });
      await page.locator("#health[data-status=pass]").waitFor({ timeout: 90_000 });
    },
    timeline: () => page.locator("#timeline li span").allInnerTexts(),
    close: () => context.close(),
  };
}
