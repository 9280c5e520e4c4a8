/** Attacks with the raw bytes of a request, and with its path. */
import { strict as assert } from "node:assert";
import { randomUUID } from "node:crypto";
import { docker } from "../../support/stack.ts";
import { exec, type Target } from "./target.ts";

const SMUGGLED = "GET /api/smuggled HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

const post = (headers: string, body: string): string =>
  `POST /api/auth/logout HTTP/1.1\r\nHost: 127.0.0.1\r\n${headers}\r\n\r\n${body}`;

const ambiguous: Readonly<Record<string, string>> = {
  "CL.TE": post(
    `Content-Length: ${SMUGGLED.length + 5}\r\nTransfer-Encoding: chunked`,
    `0\r\n\r\n${SMUGGLED}`,
  ),
  "TE.CL": post("Transfer-Encoding: chunked\r\nContent-Length: 4", `0\r\n\r\n${SMUGGLED}`),
  "TE.TE": post("Transfer-Encoding: chunked\r\nTransfer-Encoding: xchunked", `0\r\n\r\n${SMUGGLED}`),
  xchunked: post("Transfer-Encoding: xchunked", `0\r\n\r\n${SMUGGLED}`),
  "a space before the colon": post("Transfer-Encoding : chunked", `0\r\n\r\n${SMUGGLED}`),
  "two lengths": post(`Content-Length: 0\r\nContent-Length: ${SMUGGLED.length}`, SMUGGLED),
  "a folded header": post("Transfer-Encoding:\r\n chunked", `0\r\n\r\n${SMUGGLED}`),
  "a chunk size that is none": post("Transfer-Encoding: chunked", `0x0\r\n\r\n${SMUGGLED}`),
};

/**
 * Each of these is one request, whatever it looks like; the second one in it is its body. The edge accepts a line that
 * ends in LF alone (RFC 9112 2.2 allows it) and drops a chunk's extension, so it forwards neither.
 */
const odd: Readonly<Record<string, string>> = {
  "a request in a body": post(`Content-Length: ${SMUGGLED.length}`, SMUGGLED),
  "junk behind a chunk's size": post(
    "Transfer-Encoding: chunked",
    `${SMUGGLED.length.toString(16)};a=${"x".repeat(50)}\r\n${SMUGGLED}\r\n0\r\n\r\n`,
  ),
  "lines that end in LF alone": post(`Content-Length: ${SMUGGLED.length}`, SMUGGLED).replace(
    /\r\n(?=[\s\S]*GET)/g,
    "\n",
  ),
};

export function smuggling(get: () => Target): void {
  /** Sends requests on the replica connections that the attack may have used: each has to get its own answer. */
  const victims = async (): Promise<void> => {
    for (let n = 0; n < 8; n += 1) {
      const id = `victim-${randomUUID()}`;
      const { status, headers, text } = await get().ask(`/api/auth/check`, {
        headers: { "x-request-id": id },
      });
      assert.equal(status, 200, text);
      assert.equal(headers["x-request-id"], id);
      assert.equal((JSON.parse(text) as { authenticated: boolean }).authenticated, false);
    }
  };

  for (const [name, bytes] of Object.entries(ambiguous)) {
    it(`${name}: one refusal, closed, and no victim`, async () => {
      const { text, closed } = await get().raw(bytes);
      assert.ok(closed, `still open after:\n${text}`);
      assert.match(text, /^HTTP\/1\.1 (400|501) /);
      assert.equal(text.match(/HTTP\/1\.1 /g)?.length, 1);
      await victims();
    });
  }

  for (const [name, bytes] of Object.entries(odd)) {
    it(`${name}: one request, one answer, and no victim`, async () => {
      const { text } = await get().raw(bytes, { quietMs: 1000 });
      assert.match(text, /^HTTP\/1\.1 204 /);
      assert.equal(text.match(/HTTP\/1\.1 /g)?.length, 1, text);
      await victims();
    });
  }

  it("a replica without the edge is not deceived either: it answers each once, then closes", async () => {
    const { NetworkSettings } = await docker.getContainer(get().backends[0] ?? "").inspect();
    const host = NetworkSettings.Networks[`omniai-${get().stack.name}-app`]?.IPAddress;
    for (const [name, bytes] of Object.entries(ambiguous)) {
      const { text, closed } = await get().raw(bytes, { host, port: 8000 });
      assert.ok(closed, `${name}: still open after:\n${text}`);
      assert.equal(text.match(/HTTP\/1\.1 /g)?.length, 1, `${name}: ${text}`);
    }
    for (const [name, bytes] of Object.entries(odd)) {
      const { text, closed } = await get().raw(bytes, { host, port: 8000, quietMs: 1000 });
      const isRefused = name === "lines that end in LF alone";
      assert.match(text, isRefused ? /^HTTP\/1\.1 400 / : /^HTTP\/1\.1 204 /, name);
      assert.ok(!isRefused || closed, `${name}: still open`);
      assert.equal(text.match(/HTTP\/1\.1 /g)?.length, 1, `${name}: ${text}`);
    }
  });

  it("no request that was hidden in another one was carried out", async () => {
    assert.doesNotMatch(await get().logs(), /"path":"\/api\/smuggled"/);
  });
}

export function splitting(get: () => Target): void {
  const injected = "x-injected: 1";
  for (const [what, request] of [
    ["the path", `GET /api/diag\r\n${injected} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`],
    ["the path, encoded", `GET /api/diag%0d%0a${injected} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`],
    ["the query", `GET /api/diag?a=%0d%0a${injected} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`],
    ["a redirect's target", `GET //evil.example/%0d%0a${injected} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`],
    [
      "a cookie",
      `GET /api/diag HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: __Host-sid=a%0d%0a${injected}\r\n\r\n`,
    ],
    [
      "the request's id",
      `GET /api/diag HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Request-Id: aaaaaaaa\r${injected}\r\n\r\n`,
    ],
    [
      "the origin",
      `GET /api/diag HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: https://page.example\r${injected}\r\n\r\n`,
    ],
    ["the host", `GET /api/diag HTTP/1.1\r\nHost: 127.0.0.1\r${injected}\r\n\r\n`],
    ["the host, encoded", `GET /api/diag HTTP/1.1\r\nHost: 127.0.0.1%0d%0a${injected}\r\n\r\n`],
  ] as const) {
    it(`in ${what}: no header of the attacker's, and no redirect`, async () => {
      const { text } = await get().raw(request, { quietMs: 500 });
      const [head = ""] = text.split("\r\n\r\n");
      // A first line that ends early is HTTP/0.9, whose answers have no headers.
      assert.match(head, /^HTTP\/1\.1 (200|400|404|421) |^\{"type":"urn:omniai:problem:misdirected"/);
      assert.doesNotMatch(head, /^(x-injected|location):/im);
    });
  }

  it("an unknown host is refused, whatever it looks like", async () => {
    const ask = async (host: string): Promise<string> =>
      (await get().raw(`GET /api/diag HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)).text;
    assert.match(await ask("127.0.0.1"), /^HTTP\/1\.1 200 /);
    for (const host of ["evil.example", "127.0.0.1.evil.example", "localhost,evil.example", "localhost@evil"])
      assert.match(await ask(host), /^HTTP\/1\.1 (421|400) /, host);
    const list = Array.from({ length: 2000 }, (_, n) => `h${n}`).join(",");
    assert.match(await ask(list), /^HTTP\/1\.1 (400|421|431) /);
    const two = await get().raw("GET /api/diag HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil\r\n\r\n");
    assert.match(two.text, /^HTTP\/1\.1 400 /);
  });
}

export function traversal(get: () => Target): void {
  for (const path of [
    "/files../etc/passwd",
    "/static../.env",
    "/api../.env",
    "/api/../.env",
    "/api/%2e%2e/%2e%2e/etc/passwd",
    "/api/..%2f..%2fetc%2fpasswd",
    "/api/..%252f..%252fetc%252fpasswd",
    "/api/..;/metrics",
    "/api/;/../metrics",
    "//etc/passwd",
    "/api//../../../../../../etc/passwd",
    "/api/..\\..\\etc\\passwd",
    "/api/%00/../metrics",
    "/healthz/..%2fmetrics",
    "/../../../../etc/passwd",
  ]) {
    it(`${path} leads nowhere`, async () => {
      const request = `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`;
      const { text } = await get().raw(request);
      assert.match(text, /^HTTP\/1\.1 (400|404) /);
      assert.doesNotMatch(text, /root:|nodejs_|omniai_/);
    });
  }

  it("the edge's configuration has no alias or path from which a request could escape", async () => {
    const rendered = await exec(get().edge, "cat", "/etc/omniai/edge/current/nginx.conf");
    const locations = [...rendered.matchAll(/location ([^{]+?) \{([^}]*)/g)];
    assert.ok(locations.length > 10);
    for (const [, name = "", body = ""] of locations) {
      if (/^\s*alias /m.test(body)) assert.ok(name.startsWith("= ") || name.endsWith("/"), name);
    }
    // If proxy_pass had a path, nginx would append the rest of the client's path to it.
    for (const [, target = ""] of rendered.matchAll(/proxy_pass ([^;]+);/g))
      assert.match(target, /^http:\/\/[a-z]+$/);
  });
}

export function sensitivePaths(get: () => Target): void {
  for (const path of [
    "/.git/HEAD",
    "/.env",
    "/.well-known/../.env",
    "/metrics",
    "/api/metrics",
    "/debug",
    "/debug/pprof/",
    "/api/debug",
    "/nginx_status",
    "/counters",
    "/release",
    "/server-status",
    "/package.json",
    "/api/package.json",
    "/service/dist/main.js",
    "/json/version",
    "/Pulumi.yaml",
    "/.state/passphrase",
  ]) {
    it(`${path} is not there`, async () => {
      for (const plain of [true, false]) {
        const { status, text } = await get().ask(path, { plain });
        assert.ok([403, 404].includes(status), `${status} ${text}`);
      }
    });
  }

  it("TRACE, CONNECT and unknown methods are not allowed, and echo nothing", async () => {
    for (const method of ["TRACE", "CONNECT", "TRACK", "PROPFIND", "PURGE"]) {
      const { text } = await get().raw(
        `${method} /api/diag HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: echo-canary\r\nConnection: close\r\n\r\n`,
      );
      assert.match(text, /^HTTP\/1\.1 (400|404|405|501) /, method);
      assert.doesNotMatch(text, /echo-canary/);
    }
  });

  it("health and diagnostics tell the public only the status", async () => {
    for (const path of ["/healthz", "/readyz", "/startupz", "/api/diag"]) {
      const { text } = await get().ask(path);
      assert.doesNotMatch(text, /(\d+\.){3}\d+|password|\/run\/secrets|node_modules/, path);
    }
  });
}
