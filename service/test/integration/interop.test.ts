/** Clients that others wrote, on connections that are cut. */
import { strict as assert } from "node:assert";
import { spawn, type ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { EventSource } from "eventsource";
import { createEventSource } from "eventsource-client";
import { pythonWith, requirements } from "../../../tools/find/venv.ts";
import { CuttingProxy } from "../support/cutting-proxy.ts";
import { eventually, post, startInstance, type Instance } from "../support/instance.ts";
import { testServers } from "../support/servers.ts";
import { SpecParser } from "../support/sse.ts";

/** Follows `url` and hands on the id of each event of type "n", and the word reset. @returns what ends it. */
type Follow = (url: string, got: (id: string) => void) => () => void;

const withEventSource: Follow = (url, got) => {
  const source = new EventSource(url);
  source.addEventListener("n", ({ lastEventId }) => got(lastEventId));
  source.addEventListener("reset", () => got("reset"));
  return () => source.close();
};

const withEventSourceClient: Follow = (url, got) => {
  const source = createEventSource({
    url,
    onMessage: ({ event, id }) => {
      if (event === "n") got(id ?? "");
      if (event === "reset") got("reset");
    },
  });
  return () => source.close();
};

/** curl itself does not come back: this is what a script around it does. */
const withCurl: Follow = (url, got) => {
  let last = "";
  let child: ChildProcess | undefined;
  let isOver = false;
  const start = (): void => {
    const parser = new SpecParser();
    let seen = 0;
    const header = last === "" ? [] : ["-H", `Last-Event-ID: ${last}`];
    child = spawn("curl", ["-sN", ...header, url], { stdio: ["ignore", "pipe", "inherit"] });
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      parser.push(text);
      for (const { event, id } of parser.events.slice(seen)) {
        if (event === "n") got(id ?? "");
        if (event === "reset") got("reset");
      }
      seen = parser.events.length;
      last = parser.lastEventId || last;
    });
    child.on("close", () => {
      if (!isOver) setTimeout(start, 300);
    });
  };
  start();
  return () => {
    isOver = true;
    child?.kill();
  };
};

const withPython =
  (python: string): Follow =>
  (url, got) => {
    const program = new URL("../support/follow.py", import.meta.url).pathname;
    const child = spawn(python, [program, url], { stdio: ["ignore", "pipe", "inherit"] });
    createInterface({ input: child.stdout }).on("line", got);
    return () => child.kill();
  };

describe("clients that others wrote", function () {
  this.timeout(120_000);
  let instance: Instance;

  before(async function () {
    const { admin } = await testServers();
    await admin.configSet("appendfsync", "always");
    instance = await startInstance();
  });
  after(async () => {
    await instance?.stop();
    await (await testServers()).admin.configSet("appendfsync", "everysec");
  });

  /** Two cuts in the middle of events, while events keep coming. */
  async function resumes(follow: Follow): Promise<void> {
    const proxy = await CuttingProxy.start(instance.port);
    const { id: start } = await post(instance, { type: "start", data: 0 });
    const got: string[] = [];
    const stop = follow(`${proxy.url}/api/events?last_event_id=${start}`, (id) => got.push(id));
    try {
      const sent: string[] = [];
      const publish = async (count: number): Promise<void> => {
        for (let n = 0; n < count; n++) {
          sent.push((await post(instance, { type: "n", data: "ü".repeat(50) })).id);
          await sleep(10);
        }
      };
      await publish(5);
      await eventually("the first ones", () => got.length >= 5);
      for (const bytes of [333, 777]) {
        const { cuts } = proxy;
        proxy.cutAfter(bytes);
        await publish(20);
        await eventually("cut", () => proxy.cuts > cuts);
        await eventually("all before the next cut", () => got.length >= sent.length);
      }
      await publish(5);
      await eventually("all of them", () => got.length >= sent.length);
      await sleep(200);
      assert.deepEqual(got, sent);
    } finally {
      stop();
      await proxy.close();
    }
  }

  it("resume through cut connections: eventsource of npm", () => resumes(withEventSource));
  it("resume through cut connections: eventsource-client of npm", () => resumes(withEventSourceClient));
  it("resume through cut connections: curl", () => resumes(withCurl));
  it("resume through cut connections: httpx-sse of PyPI", async function () {
    this.timeout(400_000);
    const bin = await pythonWith(requirements.httpxSse);
    // Counted as skipped, and only where there is no Python at all.
    if (!bin) return this.skip();
    await resumes(withPython(`${bin}/python`));
  });
});
