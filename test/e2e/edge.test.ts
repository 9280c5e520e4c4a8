/** The edge's own promises, on a real nginx: each limit takes effect, and clients can read the edge's answers. */
import { strict as assert } from "node:assert";
import { rmSync, writeFileSync } from "node:fs";
import { get, type IncomingHttpHeaders, type RequestListener, type ServerResponse } from "node:http";
import { connect as http2Connect } from "node:http2";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startEdge, testPage, type TestEdge } from "../support/edge.ts";
import { call, eventually, type Answer } from "../support/http.ts";

const ORIGIN = "https://owner.github.io";

describe("the edge", function () {
  this.timeout(60_000);
  let edge: TestEdge;
  /** The requests that reached the replicas ("GET /api/x"), and how the replicas behave for some paths. */
  const seen: { replica: number; line: string; headers: IncomingHttpHeaders; body: string }[] = [];
  const behave = new Map<string, (replica: number) => RequestListener>();

  const replica =
    (index: number): RequestListener =>
    (request, response) => {
      let body = "";
      request.on("data", (part: Buffer) => (body += part.toString()));
      request.on("end", () => {
        seen.push({
          replica: index,
          line: `${request.method} ${request.url}`,
          headers: request.headers,
          body,
        });
        const own = behave.get(new URL(request.url ?? "/", "http://x").pathname);
        if (own) return own(index)(request, response);
        response.setHeader("X-Request-Id", request.headers["x-request-id"] ?? "none");
        response.setHeader("X-Content-Type-Options", "nosniff");
        response.setHeader("Cross-Origin-Resource-Policy", "cross-origin");
        response.setHeader("Access-Control-Allow-Origin", ORIGIN);
        response.setHeader("X-Powered-By", "a framework 1.2.3");
        response.end(`{"replica":${index}}`);
      });
    };
  const open: RequestListener = (request, response) => {
    if (request.method !== "GET") return void response.end();
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
    response.write(": ok\n\n");
  };

  before(async () => {
    edge = await startEdge([replica(0), replica(1)]);
  });
  after(() => edge.remove());
  beforeEach(async function () {
    seen.length = 0;
    behave.clear();
    behave.set("/api/events", () => open);
    await edge.configure({ corsOrigins: [ORIGIN] });
  });

  const stream = { headers: { accept: "text/event-stream" } };
  const secondsSince = (begun: number): number => (performance.now() - begun) / 1000;
  const many = <T>(count: number, one: (n: number) => Promise<T>): Promise<T[]> =>
    Promise.all(Array.from({ length: count }, (_, n) => one(n)));
  const count = (answers: readonly Answer[], status: number): number =>
    answers.filter((answer) => answer.status === status).length;
  const problem = (answer: Answer): { type: string; status: number; detail: string; requestId: string } => {
    assert.match(String(answer.headers["content-type"]), /^application\/problem\+json/, answer.text);
    return JSON.parse(answer.text) as ReturnType<typeof problem>;
  };
  /** Opens a stream and keeps it open. @returns its status and first bytes, and a function that closes it */
  const hold = (url: string): Promise<{ status: number; first: string; close: () => void }> =>
    new Promise((resolve, reject) => {
      const request = get(url, { agent: false, ...stream }, (response) => {
        response.once("data", (part: Buffer) =>
          resolve({
            status: response.statusCode ?? 0,
            first: part.toString(),
            close: () => request.destroy(),
          }),
        );
        response.on("error", () => undefined);
      });
      request.on("error", reject);
    });
  /** Sends raw bytes. @returns all that came back until the other side closed; `closed` is false after `ms` */
  const raw = (bytes: string, ms = 15_000): Promise<{ text: string; closed: boolean; after: number }> =>
    new Promise((resolve) => {
      const begun = performance.now();
      let text = "";
      const socket = connect(edge.httpPort, "127.0.0.1", () => socket.write(bytes, "latin1"));
      const end = (closed: boolean): void => {
        clearTimeout(timer);
        socket.destroy();
        resolve({ text, closed, after: performance.now() - begun });
      };
      const timer = setTimeout(() => end(false), ms);
      socket.on("data", (part) => (text += part.toString("latin1")));
      socket.on("close", () => end(true)).on("error", () => undefined);
    });

  describe("the page", () => {
    const pagePolicy = "default-src 'none'; script-src 'self'; frame-ancestors 'none'";

    it("is served at / with its own policy, asked for anew each time, and never sent to a replica", async () => {
      await edge.configure({ corsOrigins: [ORIGIN], pagePolicy });
      for (const path of ["/", "/index.html"]) {
        const { status, headers, text } = await call(`${edge.http}${path}`);
        assert.deepEqual([status, text], [200, testPage["index.html"]]);
        assert.equal(headers["content-type"], "text/html; charset=utf-8");
        assert.equal(headers["content-security-policy"], pagePolicy);
        assert.equal(headers["cross-origin-opener-policy"], "same-origin");
        assert.equal(headers["cache-control"], "no-cache");
        assert.equal(headers.etag, undefined, "nothing to be 304 by");
        assert.equal(headers["x-content-type-options"], "nosniff");
      }
      const since = {
        "if-modified-since": new Date(Date.now() + 60_000).toUTCString(),
        "if-none-match": "*",
      };
      assert.equal((await call(`${edge.http}/`, { headers: since })).status, 200);
      const script = await call(`${edge.https}/js/a.js`);
      assert.match(String(script.headers["content-type"]), /^text\/javascript/);
      assert.deepEqual(seen, []);
    });

    it("leaves everything else as it is: the API, what is not there, and other methods", async () => {
      await edge.configure({ corsOrigins: [ORIGIN], pagePolicy });
      const api = await call(`${edge.http}/api/diag`);
      assert.match(String(api.headers["content-security-policy"]), /^default-src 'none'; frame-ancestors/);
      assert.equal(api.headers["cross-origin-opener-policy"], undefined);
      for (const path of [
        "/nothing",
        "/nothing.html",
        "/js",
        "/js/",
        "/../nginx.conf",
        "/%2e%2e/nginx.conf",
        "/js/..%2f../nginx.conf",
      ]) {
        const answer = await call(`${edge.http}${path}`);
        assert.ok([400, 404].includes(problem(answer).status), path);
        assert.match(
          String(answer.headers["content-security-policy"]),
          /^default-src 'none'; frame-ancestors/,
        );
      }
      assert.equal(problem(await call(`${edge.http}/`, { method: "POST" })).status, 405);
    });

    it("is for the hosts that are served, as the API is", async () => {
      await edge.configure({ corsOrigins: [ORIGIN], pagePolicy, hosts: ["api.example.org"] });
      assert.equal((await call(`${edge.http}/`)).status, 421);
      assert.equal((await call(`${edge.http}/`, { headers: { host: "api.example.org" } })).status, 200);
    });
  });

  describe("headers", () => {
    const expected: Record<string, string> = {
      "content-security-policy":
        "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
      "cross-origin-resource-policy": "cross-origin",
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY",
    };
    for (const [what, path, status] of [
      ["an answer of the service", "/api/diag", 200],
      ["an error of its own", "/.env", 404],
    ] as const) {
      it(`are once on ${what}, with HSTS over TLS only`, async () => {
        for (const scheme of ["http", "https"] as const) {
          const answer = await call(edge[scheme] + path);
          assert.equal(answer.status, status);
          for (const [name, value] of Object.entries(expected))
            assert.equal(answer.headers[name], value, name);
          const promise = /^max-age=(\d+)/.exec(String(answer.headers["strict-transport-security"]));
          if (scheme === "https") assert.ok(Number(promise?.[1]) >= 63_072_000, promise?.[0]);
          else assert.equal(promise, null);
          assert.equal(answer.headers["server"], "nginx");
          assert.equal(answer.headers["x-powered-by"], undefined);
          assert.doesNotMatch(String(answer.headers["x-request-id"]), /,/);
        }
      });
    }

    it("say same-site where the config does", async () => {
      await edge.configure({ resourcePolicy: "same-site" });
      const { headers } = await call(`${edge.http}/api/diag`);
      assert.equal(headers["cross-origin-resource-policy"], "same-site");
    });

    it("keep a well-formed request id, and otherwise get a new one", async () => {
      const id = async (given: string): Promise<string> =>
        String(
          (await call(`${edge.http}/nothing`, { headers: { "x-request-id": given } })).headers[
            "x-request-id"
          ],
        );
      assert.equal(await id("a-request.of-mine_1"), "a-request.of-mine_1");
      assert.match(await id('"><script>'), /^[0-9a-f]{32}$/);
    });
  });

  describe("its own errors", () => {
    it("can be read by the allowed pages, and by no others", async () => {
      const ask = (origin: string) => call(`${edge.http}/nothing`, { headers: { origin } });
      const ours = await ask(ORIGIN);
      assert.equal(ours.headers["access-control-allow-origin"], ORIGIN);
      assert.equal(ours.headers["access-control-allow-credentials"], "true");
      assert.match(String(ours.headers["access-control-expose-headers"]), /retry-after/);
      assert.equal(ours.headers["vary"], "Origin");
      for (const origin of [
        `${ORIGIN}.evil`,
        "https://xowner.github.io",
        "http://owner.github.io",
        "https://OWNER.github.io",
        "null",
      ]) {
        const { headers } = await ask(origin);
        assert.equal(headers["access-control-allow-origin"], undefined, origin);
        assert.equal(headers["access-control-allow-credentials"], undefined, origin);
      }
    });

    it("leave the service's CORS headers alone", async () => {
      const { headers } = await call(`${edge.http}/api/diag`, { headers: { origin: ORIGIN } });
      assert.equal(headers["access-control-allow-origin"], ORIGIN);
      assert.equal(headers["access-control-allow-credentials"], undefined);
    });

    it("without a replica say when to come back; preflights are answered; streams end properly", async () => {
      await edge.configure({ corsOrigins: [ORIGIN], upstreams: [{ name: "gone", address: "127.0.0.1" }] });
      const post = await call(`${edge.https}/api/x`, {
        method: "POST",
        body: {},
        headers: { origin: ORIGIN },
      });
      assert.equal(post.status, 503);
      assert.equal(post.headers["retry-after"], "2");
      assert.equal(post.headers["access-control-allow-origin"], ORIGIN);
      assert.equal(problem(post).type, "urn:omniai:problem:unavailable");
      assert.equal(problem(post).requestId, post.headers["x-request-id"]);
      const asked = await call(`${edge.https}/api/x`, {
        method: "OPTIONS",
        headers: {
          origin: ORIGIN,
          "access-control-request-method": "POST",
          "access-control-request-headers": "content-type",
        },
      });
      assert.equal(asked.status, 204);
      assert.equal(asked.headers["access-control-allow-origin"], ORIGIN);
      assert.equal(asked.headers["access-control-allow-methods"], "POST");
      assert.equal(asked.headers["access-control-allow-headers"], "content-type");
      const ended = await call(`${edge.http}/api/events`, stream);
      assert.equal(ended.status, 200);
      assert.equal(ended.headers["content-type"], "text/event-stream");
      assert.match(ended.text, /^retry: \d+\n\n$/);
    });
  });

  describe("gives nothing away", () => {
    for (const path of [
      "/",
      "/metrics",
      "/nginx_status",
      "/counters",
      "/release",
      "/.git/config",
      "/.env",
      "/_maintenance",
      "/_stream_later",
      "/_stream",
      "/_problem/400",
    ]) {
      it(`${path} is not there`, async () => {
        assert.equal(problem(await call(edge.http + path)).status, 404);
        assert.deepEqual(seen, []);
      });
    }
    for (const path of [
      "/api/../metrics",
      "/api/%2e%2e/metrics",
      "/api/..%2fmetrics",
      "//metrics",
      "/healthz/../metrics",
    ]) {
      it(`nor by way of ${path}`, async () => {
        const { text } = await raw(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
        assert.match(text, /^HTTP\/1\.1 404 /);
        assert.deepEqual(seen, []);
      });
    }
    it("TRACE and CONNECT are not allowed", async () => {
      for (const line of ["TRACE /api/diag", "CONNECT example.org:443"]) {
        const { text } = await raw(
          `${line} HTTP/1.1\r\nHost: x\r\nCookie: secret\r\nConnection: close\r\n\r\n`,
        );
        assert.match(text, /^HTTP\/1\.1 405 /, line);
        assert.match(text, /application\/problem\+json/);
        assert.doesNotMatch(text, /secret/);
      }
    });
    it("an unknown host gets 421 Misdirected Request, whatever its spelling", async () => {
      await edge.configure({ hosts: ["api.example.org"] });
      const ask = async (host: string) => (await call(`${edge.http}/api/x`, { headers: { host } })).status;
      assert.equal(await ask("api.example.org"), 200);
      assert.equal(await ask("API.example.org:8443"), 200);
      for (const host of ["evil.example", "apixexample.org", "api.example.org.evil.example", "127.0.0.1"])
        assert.equal(await ask(host), 421, host);
      seen.length = 0;
      for (const path of ["/api/events", "/api/events/poll", "/healthz"]) {
        for (const method of ["GET", "HEAD", "POST"]) {
          const { text } = await raw(
            `${method} ${path} HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
          );
          assert.match(text, /^HTTP\/1\.1 421 /, `${method} ${path}`);
        }
      }
      assert.deepEqual(seen, [], "none of these reached a replica");
      const { text } = await raw(
        "GET http://api.example.org/api/x HTTP/1.1\r\nHost: evil\r\nConnection: close\r\n\r\n",
      );
      assert.match(text, /^HTTP\/1\.1 421 /, "the path's host does not stand for the header's");
    });
  });

  describe("the client's address", () => {
    const claims = {
      "x-forwarded-for": "203.0.113.9",
      "x-real-ip": "203.0.113.9",
      "cf-connecting-ip": "203.0.113.9",
    };
    const last = () => seen.at(-1)?.headers ?? {};

    it("is taken from the connection, whatever the client claims", async () => {
      await call(`${edge.http}/api/x`, { headers: { ...claims, forwarded: "for=203.0.113.9" } });
      assert.match(String(last()["x-forwarded-for"]), /^\d+\.\d+\.\d+\.\d+$/);
      assert.doesNotMatch(JSON.stringify(last()), /203\.0\.113\.9/);
    });

    it("is taken from the tunnel's header where it comes from the tunnel's network", async () => {
      await edge.configure({ realIp: { from: ["0.0.0.0/0"], header: "CF-Connecting-IP" } });
      await call(`${edge.http}/api/x`, { headers: { ...claims, "x-forwarded-proto": "https" } });
      assert.equal(last()["x-forwarded-for"], "203.0.113.9");
      assert.equal(last()["x-forwarded-proto"], "https");
      await eventually("its line", 30, () => edge.log().at(-1)?.["address"] === "203.0.113.9");
      await edge.configure({ realIp: { from: ["192.0.2.0/24"], header: "CF-Connecting-IP" } });
      await call(`${edge.http}/api/x`, { headers: { ...claims, "x-forwarded-proto": "https" } });
      assert.notEqual(last()["x-forwarded-for"], "203.0.113.9");
      assert.equal(last()["x-forwarded-proto"], "http");
    });
  });

  describe("limits", () => {
    const limits = { connections: 1000, requestRate: 1000, streams: 1000, streamRate: 200 };
    const tunnel = { from: ["0.0.0.0/0"], header: "CF-Connecting-IP" };
    /** So many at once that a rate of five is exceeded on a busy machine as well, which takes long for them. */
    const MANY = 200;

    it("the rate of requests, and says why and when to come back", async () => {
      await edge.configure({ corsOrigins: [ORIGIN], limits: { ...limits, requestRate: 5 } });
      const begun = performance.now();
      const answers = await many(MANY, () => call(`${edge.http}/api/x`, { headers: { origin: ORIGIN } }));
      // The burst, and five more for each second that the requests took.
      const most = 12 + 5 * secondsSince(begun);
      assert.ok(
        count(answers, 200) >= 5 && count(answers, 200) <= most,
        `${count(answers, 200)} went through`,
      );
      const refused = answers.find(({ status }) => status === 429) ?? assert.fail("none was refused");
      assert.equal(count(answers, 200) + count(answers, 429), MANY);
      assert.equal(problem(refused).type, "urn:omniai:problem:too-many-requests");
      assert.equal(refused.headers["retry-after"], "2");
      assert.equal(refused.headers["access-control-allow-origin"], ORIGIN);
    });

    it("the rate on unknown paths too, whatever address the client claims", async () => {
      await edge.configure({ limits: { ...limits, requestRate: 5 } });
      const begun = performance.now();
      const answers = await many(MANY, (n) =>
        call(`${edge.http}/scan-${n}`, {
          headers: { "x-forwarded-for": `203.0.113.${n}`, "cf-connecting-ip": `203.0.113.${n}` },
        }),
      );
      const least = MANY - 15 - 5 * secondsSince(begun);
      assert.ok(least > 0 && count(answers, 429) >= least, `${count(answers, 429)} refused`);
    });

    it("each address behind the tunnel separately, IPv6 by /56", async () => {
      await edge.configure({ limits: { ...limits, requestRate: 2 }, realIp: tunnel });
      const from = (address: (n: number) => string) =>
        many(20, (n) => call(`${edge.http}/api/x`, { headers: { "cf-connecting-ip": address(n) } }));
      assert.equal(count(await from((n) => `203.0.113.${n}`), 200), 20);
      assert.equal(count(await from((n) => `2001:db8:${n}::1`), 200), 20);
      const begun = performance.now();
      const home = count(await from((n) => `2001:db8:ff:${n.toString(16)}::${n}`), 429);
      assert.ok(home > 0 && home >= 15 - 2 * secondsSince(begun), `one home: ${home} refused`);
    });

    it("concurrent requests", async () => {
      await edge.configure({ limits: { ...limits, connections: 3 } });
      const underWay: ServerResponse[] = [];
      let refused = 0;
      // The edge refuses five. What it let through is answered after that, also what arrives here only then.
      const answerAll = (): void => {
        if (refused >= 5) underWay.splice(0).forEach((response) => response.end());
      };
      behave.set("/api/slow", () => (_request, response) => {
        underWay.push(response);
        answerAll();
      });
      const answers = await many(8, async () => {
        const answer = await call(`${edge.http}/api/slow`);
        if (answer.status === 429) refused++;
        answerAll();
        return answer;
      });
      assert.deepEqual([count(answers, 200), count(answers, 429)], [3, 5]);
    });

    it("open streams: one too many gets 200 and is told when to come back; the others continue", async () => {
      await edge.configure({ limits: { ...limits, streams: 2 } });
      const held = [await hold(`${edge.http}/api/events`), await hold(`${edge.http}/api/events`)];
      try {
        const third = await call(`${edge.http}/api/events`, stream);
        assert.equal(third.status, 200);
        const [, retry] = /^retry: (\d+)\n\n$/.exec(third.text) ?? assert.fail(third.text);
        assert.ok(Number(retry) >= 5000);
        assert.equal(
          (await call(`${edge.http}/api/events`, { method: "POST", body: {} })).status,
          200,
          "a post is no stream",
        );
        held.pop()?.close();
        await eventually("room for another stream", 30, async () => {
          const again = await hold(`${edge.http}/api/events`);
          held.push(again);
          return again.first === ": ok\n\n";
        });
      } finally {
        held.forEach(({ close }) => close());
      }
    });

    it("the rate of streams opened", async () => {
      await edge.configure({ limits: { ...limits, streamRate: 1 } });
      behave.set("/api/events", () => (_request, response) => void response.end("retry: 1\n\n"));
      // The streams of the test before count until their time is over, which is longer with this rate.
      await sleep(3000);
      const begun = performance.now();
      const answers = await many(20, () => call(`${edge.http}/api/events`, stream));
      assert.equal(count(answers, 200), 20, "never anything but 200");
      const most = 8 + secondsSince(begun);
      assert.ok(seen.length >= 5 && seen.length <= most, `${seen.length} reached a replica`);
    });

    it("streams over HTTP/2 as well", async () => {
      await edge.configure({ limits: { ...limits, streams: 2 } });
      const session = http2Connect(edge.https, { rejectUnauthorized: false });
      try {
        const first = () =>
          new Promise<string>((resolve, reject) => {
            const request = session.request({ ":path": "/api/events", accept: "text/event-stream" });
            request.once("data", (part: Buffer) => resolve(part.toString()));
            request.on("error", reject);
          });
        assert.deepEqual(await many(2, first), [": ok\n\n", ": ok\n\n"]);
        assert.match(await first(), /^retry: /);
      } finally {
        session.destroy();
      }
    });

    it("connections, and not the open files that the engine gives a process", () => {
      const limits = edge.exec(
        `for p in /proc/[0-9]*; do
          grep -qs "^PPid:.$(cat /tmp/nginx.pid)$" $p/status && grep 'Max open files' $p/limits; done; true`,
      );
      const workers = limits.split("\n").map((line) => Number(/files +(\d+)/.exec(line)?.[1]));
      const connections = Number(
        /worker_connections (\d+);/.exec(edge.exec("cat /etc/omniai/edge/current/nginx.conf"))?.[1],
      );
      assert.ok(workers.length >= 2 && workers.every((files) => files === 2 * connections), limits);
    });

    it("the body, the headers and the path", async () => {
      const post = await call(`${edge.http}/api/x`, { method: "POST", body: "x".repeat(1_100_000) }).catch(
        (error: Error) => assert.fail(error.message),
      );
      assert.equal(problem(post).status, 413);
      const big = await raw(`GET /api/x HTTP/1.1\r\nHost: x\r\nX-Big: ${"x".repeat(65_000)}\r\n\r\n`);
      assert.match(big.text, /^HTTP\/1\.1 431 [\s\S]*headers-too-large/);
      const long = await raw(`GET /api/${"x".repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`);
      assert.match(long.text, /^HTTP\/1\.1 414 [\s\S]*uri-too-long/);
      assert.deepEqual(seen, []);
    });

    it("how slowly headers and bodies may arrive, while others are served", async () => {
      const [headers, body, other] = await Promise.all([
        raw("GET /api/x HTTP/1.1\r\nHost: x\r\n", 25_000),
        raw("POST /api/x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc", 25_000),
        call(`${edge.http}/api/x`),
      ]);
      assert.equal(other.status, 200);
      for (const slow of [headers, body]) {
        assert.ok(
          slow.closed && slow.after > 6000 && slow.after < 20_000,
          `${slow.closed} after ${slow.after} ms`,
        );
      }
      assert.equal(seen.length, 1);
    });
  });

  describe("a replica that cannot answer", () => {
    it("with 503: a GET is sent to another replica, a POST is not", async () => {
      behave.set("/api/half", (index) => (_request, response) => {
        response.statusCode = index === 0 ? 503 : 200;
        response.end(String(index));
      });
      const gets = await many(10, () => call(`${edge.http}/api/half`));
      assert.equal(count(gets, 200), 10);
      // A reload makes nginx forget which replica failed.
      await edge.configure({ hosts: [] });
      seen.length = 0;
      const posts = await many(12, () => call(`${edge.http}/api/half`, { method: "POST", body: {} }));
      assert.equal(seen.length, 12, "each went to one replica, once");
      assert.ok(count(posts, 503) > 0);
    });

    it("with 503 from all, for a reason that they share: they still get the requests that they can answer", async () => {
      behave.set("/api/shared", () => (_request, response) => {
        response.statusCode = 503;
        response.end("from a replica");
      });
      for (const answer of await many(12, () => call(`${edge.http}/api/shared`))) {
        assert.equal(answer.status, 503);
        assert.equal(answer.text, "from a replica");
      }
      assert.equal((await call(`${edge.http}/api/diag`)).status, 200);
    });

    it("because it hangs: GETs go to another replica, and it gets no more requests", async () => {
      // Start again without the effects of the tests before.
      await edge.configure({});
      let hung = -1;
      const hang =
        (index: number): RequestListener =>
        (_request, response) => {
          if (hung === -1) hung = index;
          if (hung !== index) response.end("well");
        };
      behave.set("/api/x", hang);
      const first = await many(8, () => call(`${edge.http}/api/x`));
      assert.equal(count(first, 200), 8);
      seen.length = 0;
      const posts = await many(20, () => call(`${edge.http}/api/x`, { method: "POST", body: {} }));
      assert.equal(count(posts, 200), 20);
      assert.deepEqual(
        seen.map((one) => one.replica),
        seen.map(() => 1 - hung),
        "none waited for the one that hangs",
      );
      assert.equal(seen.length, 20);
    });

    it("because it hangs: a POST is sent only once, and the answer says so", async () => {
      for (const path of ["/api/x", "/api/events"]) {
        seen.length = 0;
        behave.set(path, () => () => undefined);
        const begun = performance.now();
        const post = await call(`${edge.http}${path}?a=b`, { method: "POST", body: {} });
        assert.ok(performance.now() - begun < 15_000);
        assert.equal(post.status, 503);
        assert.equal(post.headers["retry-after"], "2");
        assert.deepEqual(
          seen.map(({ line }) => line),
          [`POST ${path}?a=b`],
        );
      }
    });
  });

  describe("request smuggling", () => {
    const smuggled = "GET /api/smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    const post = (headers: string, body: string): string =>
      `POST /api/x HTTP/1.1\r\nHost: x\r\n${headers}\r\n\r\n${body}`;
    const attacks: Record<string, string> = {
      "CL.TE": post(
        `Content-Length: ${smuggled.length + 5}\r\nTransfer-Encoding: chunked`,
        `0\r\n\r\n${smuggled}`,
      ),
      "TE.CL": post("Transfer-Encoding: chunked\r\nContent-Length: 4", `0\r\n\r\n${smuggled}`),
      "an unknown coding": post("Transfer-Encoding: xchunked", `0\r\n\r\n${smuggled}`),
      "two codings": post(
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        `0\r\n\r\n${smuggled}`,
      ),
      "two lengths": post(`Content-Length: 0\r\nContent-Length: ${smuggled.length}`, smuggled),
      "a length with a sign": post("Content-Length: +0", smuggled),
      "a space before the colon": post("Transfer-Encoding : chunked", `0\r\n\r\n${smuggled}`),
      "a folded header": post("Transfer-Encoding:\r\n chunked", `0\r\n\r\n${smuggled}`),
      "a lone CR": post("X: y\rTransfer-Encoding: chunked", `0\r\n\r\n${smuggled}`),
      "a NUL": post("X: y\0z\r\nContent-Length: 0", smuggled),
      "a chunk size that is none": post("Transfer-Encoding: chunked", `0x0\r\n\r\n${smuggled}`),
      "a chunk that is longer than it says": post(
        "Transfer-Encoding: chunked",
        `1\r\nabc\r\n0\r\n\r\n${smuggled}`,
      ),
      "no host": `GET /api/x HTTP/1.1\r\n\r\n${smuggled}`,
      "two hosts": `GET /api/x HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n${smuggled}`,
      "not HTTP": `hello\r\n\r\n${smuggled}`,
      "a later version": `GET /api/x HTTP/3.7\r\nHost: x\r\n\r\n${smuggled}`,
    };
    for (const [name, bytes] of Object.entries(attacks)) {
      it(`${name}: refused and closed, and nothing reaches a replica`, async () => {
        const { text, closed } = await raw(bytes);
        assert.ok(closed, `still open after:\n${text}`);
        assert.match(text, /^HTTP\/1\.1 (400|501) /);
        assert.match(text, /application\/problem\+json/);
        assert.equal(text.match(/HTTP\/1\.1 /g)?.length, 1);
        assert.deepEqual(
          seen.map(({ line }) => line),
          [],
        );
      });
    }

    it("lines that end in LF alone: one request, forwarded with proper line ends", async () => {
      const { text } = await raw(
        "POST /api/x HTTP/1.1\nHost: x\nContent-Length: 3\nConnection: close\n\nabc",
      );
      assert.match(text, /^HTTP\/1\.1 (200|400) /);
      assert.ok(seen.length <= 1);
    });

    it("a chunked body arrives whole, without its extensions and trailers", async () => {
      const { text } = await raw(
        post(
          "Transfer-Encoding: chunked\r\nConnection: close",
          "3;a=b\r\nabc\r\n0\r\nContent-Length: 9\r\n\r\n",
        ),
      );
      assert.match(text, /^HTTP\/1\.1 200 /);
      assert.deepEqual(
        seen.map(({ line, body }) => `${line} ${body}`),
        ["POST /api/x abc"],
      );
    });
  });

  describe("under maintenance", () => {
    afterEach(() => rmSync(join(edge.folder, "maintenance.json"), { force: true }));
    const problemOf = (detail: string): string => JSON.stringify({ status: 503, detail });

    it("answers with the message, without a reload; streams end properly; health still answers", async () => {
      writeFileSync(join(edge.folder, "maintenance.json"), problemOf("Back at noon."));
      for (const method of ["GET", "POST"]) {
        const answer = await call(`${edge.http}/api/x`, {
          method,
          headers: { origin: ORIGIN },
          ...(method === "POST" ? { body: {} } : {}),
        });
        assert.equal(answer.status, 503);
        assert.equal(answer.headers["retry-after"], "30");
        assert.equal(answer.headers["access-control-allow-origin"], ORIGIN);
        assert.equal(problem(answer).detail, "Back at noon.");
      }
      const ended = await call(`${edge.http}/api/events`, stream);
      assert.deepEqual([ended.status, /^retry: \d+\n\n$/.test(ended.text)], [200, true]);
      assert.equal((await call(`${edge.http}/healthz`)).status, 200);
      assert.ok(seen.every(({ line }) => line === "GET /healthz"));
      await eventually("the line of the POST", 30, () =>
        edge.log().some(({ method, path }) => method === "POST" && path === "/api/x"),
      );
      await edge.configure({ hosts: [] });
      assert.equal((await call(`${edge.http}/api/x`)).status, 503, "outlives a reload");
      rmSync(join(edge.folder, "maintenance.json"));
      assert.equal((await call(`${edge.http}/api/x`)).status, 200);
    });
  });

  it("logs one line of JSON for each request, with its id and the upstream's time, but without the query", async () => {
    await call(`${edge.http}/api/x?ticket=secret`, { headers: { "x-request-id": "logged-request-1" } });
    const line = await eventually("its line", 30, () =>
      edge.log().find((entry) => entry["request_id"] === "logged-request-1"),
    );
    assert.deepEqual([line["method"], line["path"], line["status"]], ["GET", "/api/x", 200]);
    assert.match(String(line["upstream_seconds"]), /^\d+\.\d+$/);
    assert.doesNotMatch(JSON.stringify(edge.log()), /secret/);
  });
});
