/** Attacks that use streams, and attacks on streams. */
import { strict as assert } from "node:assert";
import { get as httpsGet } from "node:https";
import { get as httpGet, type IncomingHttpHeaders } from "node:http";
import { connect } from "node:http2";
import { promised } from "../../../service/test/support/wait.ts";
import { eventually, publish } from "../../support/http.ts";
import { exec, forgetPeaks, limits, openFiles, peakMemory, type Login, type Target } from "./target.ts";

/** A bystander who follows the events from before the first attack until after the last. */
export interface Bystander {
  readonly heartbeats: readonly number[];
  readonly hasEnded: boolean;
  close(): void;
}

export function follow(target: Target): Bystander {
  const heartbeats: number[] = [];
  let hasEnded = false;
  const request = httpsGet(
    `${target.stack.https}/api/events`,
    { rejectUnauthorized: false, agent: false, headers: { accept: "text/event-stream" } },
    (response) => {
      response.setEncoding("utf8").on("data", (text: string) => {
        if (/^event: ?hb$/m.test(text)) heartbeats.push(performance.now());
      });
      response.on("close", () => (hasEnded = true)).on("error", () => undefined);
    },
  );
  request.on("error", () => (hasEnded = true));
  return {
    heartbeats,
    get hasEnded() {
      return hasEnded;
    },
    close: () => void request.destroy(),
  };
}

/** A script that opens streams and keeps them; prints how many were let in, and how many answers were not 200. */
const open = (count: number, reads: boolean): string => `
  import http from "node:http";
  let held = 0, turned = 0, refused = 0, answered = 0;
  const open = () => new Promise((resolve) => {
    const headers = { host: "127.0.0.1", accept: "text/event-stream" };
    http.get({ host: "edge", port: 8080, path: "/api/events", agent: false, headers }, (response) => {
      answered += 1;
      if (response.statusCode !== 200) refused += 1;
      response.once("data", (first) => {
        if (String(first).startsWith(":")) held += 1; else turned += 1;
        if (!${reads}) response.pause();
        resolve();
      });
      if (${reads}) response.on("data", () => undefined);
      response.on("error", () => undefined);
    }).on("error", () => { refused += 1; resolve(); });
  });
  for (let n = 0; n < ${count}; n += 100) await Promise.all(Array.from({ length: Math.min(100, ${count} - n) }, open));
  console.log(JSON.stringify({ held, turned, refused, answered }));
  await new Promise((resolve) => setTimeout(resolve, 300_000));
`;

interface Opened {
  readonly held: number;
  readonly turned: number;
  readonly refused: number;
}

/** Starts the script in the client's container, and leaves it running there. */
async function openMany(client: string, count: number, reads: boolean): Promise<Opened> {
  const source = open(count, reads).replaceAll("'", `'"'"'`);
  await exec(client, "sh", "-c", `node --input-type=module -e '${source}' > /tmp/opened 2>&1 &`);
  return eventually("the streams are open", 90, async () => {
    const text = await exec(client, "cat", "/tmp/opened");
    return text.trim() !== "" && (JSON.parse(text) as Opened);
  });
}

export function exhaustion(get: () => Target): void {
  let login: Login;
  let base: { streams: number; files: number; connections: number };
  let quiet: number;
  before(async () => {
    login = await get().login();
    const target = get();
    quiet = await target.p99();
    base = {
      streams: await target.metric("omniai_streams_open"),
      files: await openFiles(target),
      connections: await target.connections(),
    };
    await forgetPeaks(target);
  });

  // A pool may open or close a connection meanwhile.
  const backToBase = () =>
    eventually("everything as it was", 90, async () => {
      const now = {
        streams: await get().metric("omniai_streams_open"),
        files: await openFiles(get()),
        connections: await get().connections(),
      };
      const isSo =
        now.streams <= base.streams &&
        now.files <= base.files + 20 &&
        now.connections <= base.connections + 5;
      if (!isSo) throw new Error(JSON.stringify({ base, now }));
      return true;
    });

  // A native EventSource that gets 429 or 503 never reconnects (WHATWG HTML 9.2.3), so the refusal of one stream too
  // many is sent within a stream.
  it("of 2,000 streams of one client, the allowed number is served, and the others are told when to come back", async () => {
    const client = await get().client();
    try {
      const { held, turned, refused } = await openMany(client, 2000, true);
      assert.equal(refused, 0);
      assert.ok(held <= limits.streams && held > limits.streams / 2, `${held} were let in`);
      assert.equal(turned, 2000 - held);
      assert.ok((await get().metric("omniai_streams_open")) <= base.streams + limits.streams);
      await get().isServed(quiet);
      await withStream(get(), "http", ({ first }) =>
        assert.match(first, /^: ?ok/, "another client is let in"),
      );
    } finally {
      // The client is killed, so it closes no stream properly.
      await get().dismiss(client);
    }
    await backToBase();
  }).timeout(300_000);

  it("streams that nobody reads use bounded memory and are dropped", async () => {
    const client = await get().client();
    try {
      assert.equal((await openMany(client, 8, false)).held, 8);
      const data = "x".repeat(30_000);
      const post = () => publish(get().stack.https, { type: "unread", data }, login.headers);
      // 21 MB for each stream: the client's kernel takes 64 KiB of them, and the edge waits 30 s for it to take more.
      for (let n = 0; n < 70; n += 1) {
        for (const { status } of await Promise.all(Array.from({ length: 10 }, post)))
          assert.equal(status, 201);
      }
      await get().isServed(quiet);
      await backToBase();
    } finally {
      await get().dismiss(client);
    }
    const peak = await peakMemory(get());
    assert.ok(peak < 180, `a replica had ${peak} MiB`);
  }).timeout(300_000);
}

/** What a proxy holds back comes with what follows it, a heartbeat within 15 s; a busy machine needs a second by itself. */
const AT_ONCE_MS = 3000;

interface Held {
  readonly first: string;
  readonly headers: IncomingHttpHeaders;
  readonly milliseconds: number;
  readonly text: () => string;
}

async function withStream(
  target: Target,
  scheme: "http" | "https",
  use: (stream: Held) => void | Promise<void>,
): Promise<void> {
  const begun = performance.now();
  let text = "";
  const get = scheme === "https" ? httpsGet : httpGet;
  await new Promise<void>((resolve, reject) => {
    const options = { agent: false, rejectUnauthorized: false, headers: { accept: "text/event-stream" } };
    const request = get(`${target.stack[scheme]}/api/events`, options, (response) => {
      response.setEncoding("utf8").on("data", (part: string) => (text += part));
      response.on("error", () => undefined);
      response.once("data", () => {
        const { headers } = response;
        const held = { first: text, headers, milliseconds: performance.now() - begun, text: () => text };
        Promise.resolve(use(held))
          .then(resolve, reject)
          .finally(() => request.destroy());
      });
    });
    request.on("error", reject);
  });
}

export function throughProxy(get: () => Target, bystander: () => Bystander): void {
  /** @returns when it was sent */
  const post = async (type: string): Promise<number> => {
    const { headers } = await get().login();
    const begun = performance.now();
    const answer = await publish(get().stack.https, { type, data: 1 }, headers);
    assert.equal(answer.status, 201, answer.text);
    return begun;
  };

  for (const scheme of ["http", "https"] as const) {
    it(`over ${scheme}: the first byte and every event at once, as nothing but an event stream`, () =>
      promised(AT_ONCE_MS, async () => {
        const took: number[] = [];
        await withStream(get(), scheme, async ({ headers, milliseconds, text }) => {
          took.push(milliseconds);
          assert.equal(headers["content-type"], "text/event-stream");
          assert.match(String(headers["cache-control"]), /no-transform/);
          assert.equal(headers["content-encoding"], undefined);
          const begun = await post(`seen-${scheme}`);
          await eventually("the event", 30, () => text().includes(`seen-${scheme}`));
          took.push(performance.now() - begun);
        });
        return took;
      }));
  }

  it("streams work over HTTP/2 too", async () => {
    const session = connect(get().stack.https, { rejectUnauthorized: false });
    try {
      const request = session.request({ ":path": "/api/events", accept: "text/event-stream" });
      let text = "";
      request.setEncoding("utf8").on("data", (part: string) => (text += part));
      await eventually("the greeting", 30, () => text !== "");
      let tries = 0;
      await promised(AT_ONCE_MS, async () => {
        const type = `seen-h2-${(tries += 1)}`;
        const begun = await post(type);
        await eventually("the event", 30, () => text.includes(type));
        return [performance.now() - begun];
      });
    } finally {
      session.destroy();
    }
  });

  // Cloudflare ends an answer that is silent for 100 s; the heartbeat has to come long before.
  it("the bystander was never cut off, and got something at least every 20 s", async () => {
    const { heartbeats } = bystander();
    await eventually("two heartbeats", 35, () => heartbeats.length >= 2);
    assert.equal(bystander().hasEnded, false);
    const gaps = heartbeats.slice(1).map((at, n) => (at - (heartbeats[n] ?? 0)) / 1000);
    assert.ok(Math.max(...gaps) < 20, gaps.map((gap) => gap.toFixed(1)).join(" "));
  });

  it("the edge does not hold the bystander's events back", async () => {
    const rendered = await exec(get().edge, "cat", "/etc/omniai/edge/current/nginx.conf");
    const [, body = ""] = /location = \/_stream \{([\s\S]*?)\n {4}\}/.exec(rendered) ?? [];
    assert.match(body, /^\s*proxy_buffering off;$/m);
  });
}
