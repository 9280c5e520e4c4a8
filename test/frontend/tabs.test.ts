/** Several tabs of one Chromium share one connection, whatever happens to the tab that holds it. */
import { strict as assert } from "node:assert";
import type { Browser, BrowserContext, CDPSession, Page } from "playwright-core";
import { eventually, post, startInstance, type Instance } from "../../service/test/support/instance.ts";
import { sharedBrowser, visitAndRun } from "./support/browser.ts";
import { HEARTBEAT_SECONDS, servePage, type PageServer } from "./support/page-server.ts";

/** In a blank page: the three lines that any page needs, and what the test reads of it. */
const follow = (url: string, more = ""): string => `(async () => {
  const { ConnectionManager } = await import("/js/transport/connection-manager.js");
  const connection = new ConnectionManager({ url: "${url}", heartbeatSeconds: ${HEARTBEAT_SECONDS}, measureSeconds: 0${more} });
  Object.assign(globalThis, { connection, had: [], resets: 0 });
  connection.on("event", ({ id }) => had.push(id));
  connection.on("reset", () => (resets += 1));
  connection.start();
})()`;

/**
 * From here on, `took` is how long the next event takes, in ms that this tab had: on a busy machine its ticks are late as
 * well, and the tab's promise is about the time that it is given.
 */
const TIMED = `(() => {
  let ticks = 0;
  const timer = setInterval(() => (ticks += 1), 50);
  connection.on("event", () => (globalThis.took ??= 50 * ticks, clearInterval(timer)));
})()`;

/** What a heap has beside them is the engine's: its code, and the debugger's notes of each request that it has seen. */
const OWN = ["object", "array", "closure", "string", "concatenated string", "regexp", "symbol", "bigint"];

/** @returns the bytes of the objects and texts that a page holds, by a snapshot of its heap */
async function heldBy(debug: CDPSession): Promise<number> {
  const parts: string[] = [];
  const keep = ({ chunk }: { chunk: string }): void => void parts.push(chunk);
  debug.on("HeapProfiler.addHeapSnapshotChunk", keep);
  await debug.send("HeapProfiler.takeHeapSnapshot");
  debug.off("HeapProfiler.addHeapSnapshotChunk", keep);
  const { snapshot, nodes } = JSON.parse(parts.join("")) as {
    snapshot: { meta: { node_fields: string[]; node_types: [string[]] } };
    nodes: number[];
  };
  const { node_fields: fields, node_types: types } = snapshot.meta;
  const [type, size] = [fields.indexOf("type"), fields.indexOf("self_size")];
  let sum = 0;
  for (let at = 0; at < nodes.length; at += fields.length)
    if (OWN.includes(types[0][nodes[at + type] ?? -1] ?? "")) sum += nodes[at + size] ?? 0;
  return sum;
}

describe("tabs of one browser", () => {
  let browser: Browser;
  let context: BrowserContext;
  let site: PageServer;
  let service: Instance;

  before(async () => {
    [browser, site] = await Promise.all([sharedBrowser(), servePage()]);
    service = await startInstance({ OMNIAI_STACK: "test", OMNIAI_CORS_ORIGINS: site.origin });
  });
  after(async () => {
    await service.stop();
    await site.close();
  });
  beforeEach(async () => {
    context = await browser.newContext();
  });
  afterEach(() => context.close());

  const open = async (more = ""): Promise<Page> => {
    const page = await context.newPage();
    await visitAndRun(page, `${site.origin}/blank.html`, follow(service.url, more));
    await page.waitForFunction("connection.state.state === 'live' && connection.cursor !== undefined");
    return page;
  };
  const leads = (page: Page): Promise<boolean> => page.evaluate("connection.state.isLeading");
  const had = (page: Page): Promise<string[]> => page.evaluate("had");
  const publish = async (): Promise<string> => (await post(service, { type: "shared", data: 1 })).id;
  const sees = async (page: Page, ids: readonly string[]): Promise<void> => {
    await page.waitForFunction(`had.includes("${ids.at(-1)}")`);
    assert.deepEqual(await had(page), ids);
    assert.equal(await page.evaluate("resets"), 0);
  };
  const streams = async (): Promise<number> => {
    const answer = await fetch(`${service.url}/api/diag`);
    return ((await answer.json()) as { events: { streams: number } }).events.streams;
  };
  /** The service may not know yet of those of a test before that have ended, and never hears of one more than there is. */
  const thereAre = (count: number): Promise<void> =>
    eventually(`${count} streams`, async () => (await streams()) === count);

  it("have one stream together, and each has every event once", async () => {
    const pages = [await open(), await open(), await open()];
    assert.deepEqual(await Promise.all(pages.map(leads)), [true, false, false]);
    await thereAre(1);
    const ids = [await publish(), await publish()];
    for (const page of pages) await sees(page, ids);
  });

  it("go on when the tab that leads is closed: nothing is lost, nothing comes twice", async () => {
    const [first, second, third] = [await open(), await open(), await open()];
    const ids = [await publish()];
    for (const page of [first, second, third]) await sees(page, ids);
    await first.close();
    ids.push(await publish());
    for (const page of [second, third]) await sees(page, ids);
    await second.waitForFunction("connection.state.isLeading");
    ids.push(await publish());
    for (const page of [second, third]) await sees(page, ids);
  });

  it("replace a tab that hangs within 5 s, and it catches up when it is back", async () => {
    const [first, second, third] = [await open(), await open(), await open()];
    assert.equal(await leads(first), true);
    const debug = await context.newCDPSession(first);
    await debug.send("Debugger.enable");
    const paused = new Promise((resolve) => debug.once("Debugger.paused", resolve));
    await debug.send("Debugger.pause");
    await paused;
    for (const page of [second, third]) await page.evaluate(TIMED);
    const ids = [await publish()];
    await Promise.all([sees(second, ids), sees(third, ids)]);
    const took = await Promise.all([second, third].map((page) => page.evaluate<number>("took")));
    assert.ok(Math.max(...took) < 5000, `${took.join(" and ")} ms of the tabs' own time`);
    ids.push(await publish());
    await debug.send("Debugger.resume");
    for (const page of [first, second, third]) await sees(page, ids);
    await first.waitForFunction("!connection.state.isLeading");
    ids.push(await publish());
    for (const page of [first, second, third]) await sees(page, ids);
  });

  it("give a tab what it has missed when it comes late with a cursor", async () => {
    const first = await open();
    const before = await publish();
    await sees(first, [before]);
    const missed = await publish();
    await sees(first, [before, missed]);
    const late = await open(`, cursor: "${before}"`);
    await sees(late, [missed]);
    await thereAre(1);
  });

  it("have streams of their own where they follow other topics, and change them while they run", async () => {
    const [all, one] = [await open(), await open(', topics: ["public.one"]')];
    assert.deepEqual(await Promise.all([leads(all), leads(one)]), [true, true]);
    const other = await publish();
    await sees(all, [other]);
    await one.evaluate('connection.setTopics(["public.one", "public.two"])');
    await one.waitForFunction("connection.state.state === 'live'");
    const { id } = await post(service, { topic: "public.two", type: "shared", data: 2 });
    await sees(one, [id]);
    await sees(all, [other, id]);
  });

  it("can each have their own: one connection for one page that asks for it", async () => {
    await open(", shared: false");
    await open(", shared: false");
    await thereAre(2);
  });

  it("join once when they are stopped, started and sent elsewhere before the service has said who is there", async () => {
    const page = await context.newPage();
    const held = Promise.withResolvers<void>();
    await page.route("**/api/auth/check", async (route) => {
      await held.promise;
      await route.continue();
    });
    await visitAndRun(page, `${site.origin}/blank.html`, follow(service.url, ", shared: false"));
    await page.evaluate('connection.stop(), connection.start(), connection.setTopics(["public.one"])');
    held.resolve();
    await page.waitForFunction("connection.state.state === 'live' && connection.cursor !== undefined");
    await thereAre(1);
    const { id } = await post(service, { topic: "public.one", type: "shared", data: 1 });
    await sees(page, [id]);
    await page.evaluate("connection.stop()");
    await thereAre(0);
  });

  it("come back by themselves from the HTML of a captive portal, and from the 502 of a proxy", async () => {
    const page = await open(", shared: false");
    const ids: string[] = [];
    const cors = {
      "access-control-allow-origin": site.origin,
      "access-control-allow-credentials": "true",
      "content-type": "text/html",
    };
    for (const [status, reason] of [
      [200, /something else answers in the place of the service/],
      [502, /answered 502/],
    ] as const) {
      await page.route("**/api/**", (route) => route.fulfill({ status, headers: cors, body: "<h1>?</h1>" }));
      await page.evaluate("connection.stop(), connection.start()");
      await page.waitForFunction("connection.state.failures > 1");
      assert.match(await page.evaluate("connection.state.reason"), reason);
      assert.notEqual(await page.evaluate("connection.state.state"), "live");
      ids.push(await publish());
      await page.unroute("**/api/**");
      await sees(page, ids);
      await page.waitForFunction("['live', 'degraded'].includes(connection.state.state)");
    }
  });

  it("use no more memory for more events and more connections", async () => {
    const page = await context.newPage();
    const debug = await context.newCDPSession(page);
    let rounds = 0;
    // Each answer is a stream of its own, which ends: the next one goes on after it.
    await page.route(/\/api\/events(\?|$)/, (route) => {
      rounds += 1;
      const events = Array.from(
        { length: 1000 },
        (_, n) => `id: abcd-${rounds}-${n}\nevent: e\ndata: {"n":${n}}\n\n`,
      );
      const headers = {
        "access-control-allow-origin": site.origin,
        "access-control-allow-credentials": "true",
        "content-type": "text/event-stream",
      };
      return route.fulfill({ headers, body: `retry: 1\n\n${events.join("")}` });
    });
    await visitAndRun(page, `${site.origin}/blank.html`, follow(service.url, ", shared: false"));
    const heldAfter = async (count: number): Promise<number> => {
      await eventually(`${count} connections`, () => rounds >= count, 120_000);
      // What is being received at that moment would count as well.
      await page.evaluate("connection.stop(), had.length = 0");
      const bytes = await heldBy(debug);
      await page.evaluate("connection.start()");
      return bytes;
    };
    const before = await heldAfter(20);
    const after = await heldAfter(320);
    assert.ok(after < 1.02 * before, `${before} bytes after 20,000 events, ${after} after 320,000`);
  });
});
