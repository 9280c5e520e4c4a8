/** Attacks with requests that are too many, too slow or too large. */
import { strict as assert } from "node:assert";
import { connect } from "node:net";
import type { Response } from "express";
import { normalAddress } from "../../../service/src/platform/address.ts";
import { Problem } from "../../../service/src/platform/problems.ts";
import { RateLimit } from "../../../service/src/platform/rate-limit.ts";
import { eventually } from "../../support/http.ts";
import { docker } from "../../support/stack.ts";
import {
  exec,
  forgetPeaks,
  limits,
  PAGE,
  peakMemory,
  script,
  type RawAnswer,
  type Target,
} from "./target.ts";

/** The start of a script for a client's container: it sends requests to the edge by its name on their network. */
const CLIENT = `
  import http from "node:http";
  const ask = (path, headers = {}, body) => new Promise((resolve) => {
    const options = { host: "edge", port: 8080, path, agent: false, method: body ? "POST" : "GET" };
    const type = body ? { "content-type": "application/json" } : {};
    const request = http.request({ ...options, headers: { host: "127.0.0.1", ...type, ...headers } }, (response) => {
      response.resume().on("end", () => resolve(response.statusCode)).on("error", () => resolve(0));
    });
    request.on("error", () => resolve(0));
    request.end(body && JSON.stringify(body));
  });
  const claims = (n) => ({
    "x-forwarded-for": "198.51.100." + n + ", 203.0.113." + n, "x-real-ip": "198.51.100." + n,
    forwarded: "for=198.51.100." + n, "cf-connecting-ip": "198.51.100." + n,
    "true-client-ip": "198.51.100." + n, "x-client-ip": "198.51.100." + n + ":" + (1000 + n),
  });
`;

/** Twenty times what one client may send in a second. */
const volley = { connections: 20, each: limits.requestRate } as const;

const countOf = (statuses: readonly number[], status: number): number =>
  statuses.filter((one) => one === status).length;

export function rateLimits(get: () => Target): void {
  let one: string;
  let other: string;
  before(async () => {
    [one, other] = await Promise.all([get().client(), get().client()]);
  });
  after(async () => {
    await Promise.all([get().dismiss(one), get().dismiss(other)]);
  });

  /** Sends failed logins from a client, each with other claims about its address. */
  const guess = (client: string, times: number): Promise<number[]> =>
    script(
      client,
      `${CLIENT}
       const statuses = [];
       for (let n = 1; n <= ${times}; n += 1) {
         const body = { username: "nobody-" + n, password: "a guess of mine" };
         statuses.push(await ask("/api/auth/login", { ...claims(n), origin: "${PAGE}" }, body));
       }
       console.log(JSON.stringify(statuses));`,
    );
  /** Sends requests at once, as many pages do. */
  const many = (client: string, times: number): Promise<number[]> =>
    script(
      client,
      `${CLIENT} console.log(JSON.stringify(await Promise.all(
         Array.from({ length: ${times} }, (_, n) => ask("/api/auth/check", claims(n % 250))))));`,
    );
  /**
   * Sends far more than the limit, one behind the other without waiting for the answers, for a path that no replica is asked for:
   * else a busy machine would not come to the limit.
   */
  const flood = (client: string): Promise<number[]> =>
    script(
      client,
      `${CLIENT}
       import { connect } from "node:net";
       const line = ([name, value]) => name + ": " + value + "\\r\\n";
       const head = (n, more) => "GET /nothing HTTP/1.1\\r\\n" +
         Object.entries({ host: "127.0.0.1", ...claims(n % 250), ...more }).map(line).join("") + "\\r\\n";
       const all = Array.from({ length: ${volley.each} }, (_, n) => head(n, n === ${volley.each - 1} ? { connection: "close" } : {}));
       const send = () => new Promise((resolve) => {
         let text = "";
         const socket = connect(8080, "edge", () => socket.write(all.join("")));
         socket.setEncoding("latin1").on("data", (part) => (text += part)).on("error", () => undefined);
         socket.on("close", () => resolve([...text.matchAll(/^HTTP\\/1\\.1 (\\d+)/gm)].map(([, status]) => Number(status))));
       });
       console.log(JSON.stringify((await Promise.all(Array.from({ length: ${volley.connections} }, send))).flat()));`,
    );

  it("password guesses count against the client, whatever it claims, and not against another client", async () => {
    const { failedLogins } = limits;
    const statuses = await guess(one, failedLogins + 4);
    assert.deepEqual(statuses, [
      ...Array.from({ length: failedLogins }, () => 401),
      ...Array.from({ length: 4 }, () => 429),
    ]);
    assert.deepEqual(await guess(other, 2), [401, 401]);
    assert.deepEqual(await guess(one, 1), [429]);
    // The operator still gets in from another address.
    await get().login();
  });

  it("so do requests, and two clients behind one edge have separate limits", async () => {
    const [sent, few] = await Promise.all([flood(one), many(other, 40)]);
    assert.equal(countOf(sent, 404) + countOf(sent, 429), volley.connections * volley.each);
    assert.ok(countOf(sent, 429) > limits.requestRate / 2, `${countOf(sent, 429)} refused`);
    assert.equal(countOf(few, 200), 40);
  });

  it("an address with a port, or an invalid one, does not make a client look like another", () => {
    const request = (claim: string) =>
      ({ socket: { remoteAddress: "192.0.2.7" }, headers: { "x-forwarded-for": claim } }) as never;
    return import("../../../service/src/platform/address.ts").then(({ clientAddress }) => {
      for (const claim of ["198.51.100.1:4711", "[2001:db8::1]:80", "unknown", "", "a, b", "198.51.100.1,"])
        assert.equal(clientAddress(request(claim), 1), "192.0.2.7", claim);
      assert.equal(clientAddress(request("198.51.100.9, 203.0.113.4"), 1), "203.0.113.4", "the edge's word");
      assert.equal(clientAddress(request("203.0.113.4"), 0), "192.0.2.7");
    });
  });

  it("the IPv6 addresses of one home count as one client", async () => {
    const limit = new RateLimit({ name: "home", points: 5, windowSeconds: 60, batch: 1 }, undefined);
    const response = { headersSent: false, setHeader: () => undefined } as unknown as Response;
    const take = (address: string) => limit.take(normalAddress(address), response);
    const within = (prefix: string) =>
      `${prefix}:${[1, 2, 3, 4].map(() => Math.floor(Math.random() * 65_536).toString(16)).join(":")}`;
    for (let n = 0; n < 5; n += 1) await take(within(`2001:db8:1:12${n}0`));
    const refused = (error: unknown): boolean => error instanceof Problem && error.status === 429;
    for (const prefix of ["2001:db8:1:1200", "2001:db8:1:12ff"])
      await assert.rejects(take(within(prefix)), refused);
    await take(within("2001:db8:1:1300"));
    await take("::ffff:192.0.2.1");
    assert.equal(normalAddress("::ffff:192.0.2.1"), "192.0.2.1");
  });
}

export function slowness(get: () => Target): void {
  it("slow headers, bodies and readers are closed in time, and other clients do not notice", async () => {
    const target = get();
    const quiet = await target.p99();
    const base = await target.connections();
    const host = "Host: 127.0.0.1\r\n";
    const slow = (start: string, sockets: number, everyMs = 9000): Promise<RawAnswer[]> =>
      Promise.all(Array.from({ length: sockets }, () => dribble(target, start, everyMs)));
    const body = `POST /api/auth/login HTTP/1.1\r\n${host}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{`;
    const attack = Promise.all([
      slow(`GET /api/diag HTTP/1.1\r\n${host}X-Slow: `, 400),
      slow(body, 50),
      // Never silent for long: only a limit for all of the body ends these.
      slow(body, 50, 1000),
    ]);
    await eventually("all of them", 20, async () => (await target.connections()) > base + 400);
    await target.isServed(quiet);
    for (const { closed, seconds } of (await attack).flat())
      // The edge closes after 8 s, the service after 10; a busy machine notices it later.
      assert.ok(closed && seconds < 30, `closed: ${closed}, after ${seconds} s`);
    await eventually("all are gone", 30, async () => (await target.connections()) <= base + 1);
  }).timeout(300_000);

  it("readers that stop reading are disconnected", async () => {
    const target = get();
    const client = await target.client();
    try {
      const quiet = await target.p99();
      const base = await target.connections();
      // More answers than fit into all buffers on the way: the client's kernel takes 64 KiB.
      const source = `
        import { connect } from "node:net";
        for (let n = 0; n < 3; n += 1) {
          const socket = connect(8080, "edge", () => socket.write(
            "GET /api/openapi.json HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\n\\r\\n".repeat(130)));
          socket.pause().on("error", () => undefined);
        }
        setTimeout(() => undefined, 100_000);`;
      await exec(client, "sh", "-c", `node --input-type=module -e '${source}' > /dev/null 2>&1 &`);
      await eventually("they wait", 30, async () => (await target.connections()) >= base + 3);
      const begun = performance.now();
      await target.isServed(quiet);
      await eventually("they are gone", 60, async () => (await target.connections()) <= base);
      assert.ok(performance.now() - begun > 5000, "they were not just done");
    } finally {
      await target.dismiss(client);
    }
  }).timeout(300_000);
}

/** Sends one byte every so often until the other side closes. */
function dribble(target: Target, start: string, everyMs: number): Promise<RawAnswer> {
  return new Promise((resolve) => {
    const begun = performance.now();
    let text = "";
    const socket = connect(target.stack.httpPort, "127.0.0.1", () => socket.write(start));
    const more = setInterval(() => socket.write("x"), everyMs);
    const end = (closed: boolean): void => {
      clearInterval(more);
      clearTimeout(timer);
      socket.destroy();
      resolve({ text, closed, seconds: (performance.now() - begun) / 1000 });
    };
    const timer = setTimeout(() => end(false), 40_000);
    socket.on("data", (part) => (text += part.toString("latin1")));
    socket.on("close", () => end(true)).on("error", () => undefined);
  });
}

export function bombs(get: () => Target): void {
  let headers: Record<string, string>;
  let start: string;
  before(async () => {
    const login = await get().login();
    start = await get().position();
    headers = { ...login.headers, "content-type": "application/json" };
    await forgetPeaks(get());
  });

  const head = (extra: string): string =>
    `POST /api/events HTTP/1.1\r\nHost: 127.0.0.1\r\n${Object.entries(headers)
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join("")}${extra}\r\n\r\n`;
  const post = async (text: string, extra = ""): Promise<string> =>
    (await get().raw(head(`Content-Length: ${Buffer.byteLength(text)}\r\nConnection: close${extra}`) + text))
      .text;

  it("a gigabyte in chunks is cut off early", async () => {
    const { sent, text } = await pour(get().stack.httpPort, head("Transfer-Encoding: chunked"), 2 ** 30);
    assert.match(text, /^HTTP\/1\.1 413 /);
    assert.ok(sent < 32 * 2 ** 20, `${sent} bytes went out`);
  });

  it("so is a gigabyte that is announced, and a body with a false length", async () => {
    const announced = await get().raw(head(`Content-Length: ${2 ** 30}`), { quietMs: 10_000 });
    assert.match(announced.text, /^HTTP\/1\.1 413 /);
    assert.ok(announced.closed);
    for (const length of ["-1", "1e9", "0x10", "99999999999999999999"]) {
      const { text, closed } = await get().raw(head(`Content-Length: ${length}`) + "{}");
      assert.match(text, /^HTTP\/1\.1 (400|413) /, length);
      assert.ok(closed);
    }
    const short = await get().raw(head("Content-Length: 3\r\nConnection: close") + '{"type":"cut"}');
    assert.match(short.text, /^HTTP\/1\.1 400 /);
  });

  it("a compressed body of a gigabyte is not decompressed", async () => {
    const { gzipSync } = await import("node:zlib");
    const bomb = gzipSync(Buffer.alloc(40 * 2 ** 20)).toString("latin1");
    const lengthAndEncoding = `Content-Length: ${bomb.length}\r\nContent-Encoding: gzip\r\nConnection: close`;
    assert.match((await get().raw(head(lengthAndEncoding) + bomb)).text, /^HTTP\/1\.1 415 /);
  });

  it("10,000 levels of nesting are refused, wherever they are", async () => {
    const deep = "[".repeat(10_000) + "]".repeat(10_000);
    for (const body of [
      deep,
      `{"type":"deep","data":${deep}}`,
      `{"a":`.repeat(5000) + "1" + "}".repeat(5000),
    ])
      assert.match(await post(body), /^HTTP\/1\.1 400 /);
  });

  it("a million keys are refused, and so are as many as fit", async () => {
    const keys = (count: number): string =>
      JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, 0])));
    assert.match(await post(keys(1_000_000)), /^HTTP\/1\.1 413 /);
    const begun = performance.now();
    for (const body of [keys(6000), `{"type":"keys","data":${keys(6000)}}`])
      assert.match(await post(body), /^HTTP\/1\.1 (400|413) /);
    assert.ok(performance.now() - begun < 10_000);
  });

  it("64 kB of headers are refused, and so is a path or a query of that size", async () => {
    const long = "x".repeat(65_536);
    const ask = (path: string, more = "") =>
      get().raw(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${more}\r\n`);
    assert.match((await ask("/api/diag", `X-Big: ${long}\r\n`)).text, /^HTTP\/1\.1 431 /);
    assert.match((await ask("/api/diag", `a: ${"x".repeat(60)}\r\n`.repeat(2000))).text, /^HTTP\/1\.1 431 /);
    assert.match((await ask(`/api/${long}`)).text, /^HTTP\/1\.1 414 /);
    assert.match((await ask(`/api/diag?${long}`)).text, /^HTTP\/1\.1 414 /);
  });

  it("all of this needs hardly any memory", async () => {
    const peak = await peakMemory(get());
    assert.ok(peak < 160, `a replica had ${peak} MiB`);
    assert.deepEqual(await get().events(start), []);
    for (const backend of get().backends) {
      const { State, RestartCount } = await docker.getContainer(backend).inspect();
      assert.deepEqual([State.OOMKilled, RestartCount], [false, 0], backend);
      // Only this counter, in cgroup v2 or v1, also counts processes killed other than the container's first.
      const counters = "cat /sys/fs/cgroup/memory.events || cat /sys/fs/cgroup/memory/memory.oom_control";
      assert.match(await exec(backend, "sh", "-c", `{ ${counters}; } 2>/dev/null`), /^oom_kill 0$/m, backend);
    }
  });
}

/** Sends a chunked body for as long as the other side accepts it. */
function pour(port: number, head: string, bytes: number): Promise<{ sent: number; text: string }> {
  return new Promise((resolve) => {
    const piece = Buffer.from(`10000\r\n${"x".repeat(65_536)}\r\n`);
    let [sent, text, isOver] = [0, "", false];
    const socket = connect(port, "127.0.0.1", () => {
      socket.write(head);
      more();
    });
    const more = (): void => {
      while (!isOver && sent < bytes && socket.writable) {
        sent += 65_536;
        if (!socket.write(piece)) return void socket.once("drain", more);
      }
    };
    const end = (): void => {
      isOver = true;
      clearTimeout(timer);
      resolve({ sent, text });
      socket.destroy();
    };
    const timer = setTimeout(end, 20_000);
    socket.on("data", (part) => (text += part.toString("latin1")));
    socket
      .on("error", () => undefined)
      .on("close", end)
      .on("end", end);
  });
}
