/** The edge's configuration as text; test/e2e/edge.test.ts tries it on a real nginx. */
import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { loadConfig } from "../../service/src/platform/env/config.ts";
import { newServer } from "../../service/src/platform/http.ts";
import { keepAliveLadder } from "../components/edge/ladder.ts";
import { renderNginx, type EdgeConfig } from "../components/edge/nginx.ts";
import { planUpstream } from "../components/edge/upstream.ts";
import { configSchema } from "../config/schema.ts";
import { defaults } from "./defaults.ts";
import { edge } from "./support/edge.ts";

describe("renderNginx", () => {
  it("is what it was: read the difference, then write it with UPDATE_SNAPSHOTS=1", async () => {
    const file = join(import.meta.dirname, "snapshots/nginx.conf");
    if (process.env["UPDATE_SNAPSHOTS"]) (await import("node:fs")).writeFileSync(file, renderNginx(edge));
    assert.equal(renderNginx(edge), readFileSync(file, "utf8"));
  });

  it("lists each replica by address and by name, again as a backup, and nothing else", () => {
    const listed = ["172.20.0.3:8000", "backend-1-a:8000", "172.20.0.4:8000", "backend-2-b:8000"];
    assert.deepEqual(
      [...renderNginx(edge).matchAll(/^ +server (\S+:\d+) /gm)].map(([, server]) => server),
      [...listed, ...listed],
    );
  });

  it("never repeats a request that was sent and may not be", () => {
    assert.doesNotMatch(renderNginx(edge), /non_idempotent/);
  });

  it("tells everybody to come back while there is nothing to send requests to", () => {
    const empty = renderNginx({ ...edge, upstreams: [], tls: false });
    assert.match(empty, /location \/ \{[^}]*\}\s+return 503;\s+\}/);
    assert.doesNotMatch(empty, /proxy_pass|ssl_certificate|upstream backend/);
    // nginx refuses a variable that no location sets.
    const withPage = renderNginx({ ...edge, pagePolicy: "default-src 'none'", upstreams: [], tls: false });
    assert.equal(withPage, empty);
  });

  it("shows what goes on inside only on the loopback inside the container", () => {
    assert.match(renderNginx(edge), /listen 127\.0\.0\.1:8081;[^}]*return 200 "live/);
  });

  it("has no header in a location, which would take away all of the server's", () => {
    const [, server = ""] = renderNginx(edge).split("listen 8080 default_server;");
    const locations = server.slice(server.indexOf("\n    location "));
    assert.doesNotMatch(locations, /add_header/);
  });

  it("trusts nobody's word on the client's address unless told to", () => {
    const plain = renderNginx({ ...edge, realIp: undefined });
    assert.doesNotMatch(plain, /real_ip|\$http_x_forwarded/);
    assert.equal(renderNginx({ ...edge, realIp: { from: [], header: "X" } }), plain);
  });

  it("listens on a socket of its own for IPv6, where that is asked for", () => {
    const listens = (changes: Partial<EdgeConfig>): string[] =>
      [...renderNginx({ ...edge, ...changes }).matchAll(/listen (?!127)([^ ]+) .*;/g)].map(
        ([, at = ""]) => at,
      );
    assert.deepEqual(listens({}), ["8080", "8443"]);
    const [http, https] = [
      ["8080", "[::]:8080", "8082", "[::]:8082"],
      ["8443", "[::]:8443", "8444", "[::]:8444"],
    ] as const;
    assert.deepEqual(listens({ ipv6: true }), [...http, ...https]);
    assert.deepEqual(listens({ ipv6: true, upstreams: [], tls: false }), http);
  });

  it("matches all names one label below a host with *", () => {
    const [, text = ""] =
      /unknown_host \{ default 1; "~\*(\S+)" 0; \}/.exec(
        renderNginx({ ...edge, hosts: ["*.example.org"] }),
      ) ?? [];
    const pattern = new RegExp(text, "i");
    for (const good of ["a.example.org", "A-b.Example.org:8443"]) assert.ok(pattern.test(good), good);
    for (const bad of [
      "example.org",
      "a.b.example.org",
      ".example.org",
      "aXexample.org",
      "a.example.org.evil",
    ])
      assert.ok(!pattern.test(bad), bad);
  });

  it("matches the hosts it is told, and no others", () => {
    const host = fc
      .array(fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?$/), { minLength: 1, maxLength: 4 })
      .map((labels) => labels.join("."));
    fc.assert(
      fc.property(host, host, fc.constantFrom("", ":443"), (known, other, port) => {
        const [, text = ""] =
          /unknown_host \{ default 1; "~\*(\S+)" 0; \}/.exec(renderNginx({ ...edge, hosts: [known] })) ?? [];
        const pattern = new RegExp(text, "i");
        assert.ok(pattern.test(known.toUpperCase() + port));
        assert.equal(pattern.test(other + port), other === known);
        assert.ok(!pattern.test(`${known}.${other}`) && !pattern.test(`x${known}`));
      }),
    );
  });
});

describe("planUpstream", () => {
  const attachments = [
    { networkName: "other-app", ipAddress: "172.19.0.2" },
    { networkName: "omniai-dev-app", ipAddress: "172.20.0.3" },
    { networkName: "omniai-dev-data", ipAddress: "172.21.0.3" },
  ];

  it("takes the address on the network that it is told, whatever the network is called", () => {
    const on = (network: string) => planUpstream("backend-1-a", network, attachments);
    assert.deepEqual(on("omniai-dev-app"), { name: "backend-1-a", address: "172.20.0.3" });
    assert.deepEqual(on("omniai-dev-data"), { name: "backend-1-a", address: "172.21.0.3" });
  });

  it("fails where no address is known, instead of listing a name alone", () => {
    const unknown = /backend-1-a has no address on network omniai-dev-app.*docker inspect backend-1-a/;
    for (const known of [[], attachments.slice(0, 1), [{ networkName: "omniai-dev-app", ipAddress: "" }]])
      assert.throws(() => planUpstream("backend-1-a", "omniai-dev-app", known), unknown);
  });
});

describe("the keep-alive ladder", () => {
  const { minValue: low, maxValue: high } = configSchema.shape.switchSeconds;
  const service = newServer(() => undefined);

  it("lets whoever sends requests let go first, on every hop, for every switchSeconds", () => {
    fc.assert(
      fc.property(fc.integer({ min: low ?? 0, max: high ?? 0 }), (switchSeconds) => {
        const { clientTold, tunnel, edge: kept, upstream } = keepAliveLadder(switchSeconds);
        assert.ok(clientTold <= kept && clientTold >= 1, "client and edge");
        assert.ok(tunnel < kept && tunnel > 0, "cloudflared and edge");
        assert.ok(kept < switchSeconds, "edge and an old replica that serves on");
        assert.ok(upstream * 1000 < service.keepAliveTimeout, "edge and service");
        assert.ok(service.keepAliveTimeout < service.headersTimeout, "within the service");
      }),
    );
  });

  it("is what nginx is told", () => {
    const text = renderNginx(edge);
    assert.match(text, /keepalive_timeout 8s 7s;\s+keepalive_min_timeout 8s;/);
    assert.match(text, /keepalive_timeout 60s;/);
  });

  it("leaves old workers for as long as a stream may live, and not for ever", () => {
    const seconds = Number(/worker_shutdown_timeout (\d+)s/.exec(renderNginx(edge))?.[1]);
    const streamAge = loadConfig({}).events.maxAgeMs / 1000;
    assert.ok(seconds > streamAge && seconds <= streamAge + 120, `${seconds} and ${streamAge}`);
  });
});

describe("the defaults of the limits", () => {
  it("bear what one address does in tests and measurements", () => {
    const of = (key: string): number => Number(defaults[key]);
    assert.ok(of("edgeConnections") >= of("edgeStreams") + 500);
    assert.ok(of("edgeStreams") >= 600);
    assert.ok(of("edgeRequestRate") >= 600);
  });
});
