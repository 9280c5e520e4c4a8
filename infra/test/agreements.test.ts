/**
 * What two rooms must agree on, where neither can import the other: the service, the edge in front of it, the page, and
 * the operator's commands. Each agreement is one test that reads both sides.
 */
import { strict as assert } from "node:assert";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { corsHeaders } from "../../service/src/app.ts";
import { PATIENCE_MS } from "../../service/src/auth/credentials/login-queue.ts";
import { DEFAULT_SCOPES, SCOPES } from "../../service/src/auth/principal.ts";
import { pollQuerySchema } from "../../service/src/events/http/schema.ts";
import { OLDEST_PAGE_LEVEL } from "../../service/src/diag/page-level.ts";
import { HEALTH_OPERATIONS } from "../../service/src/health/openapi.ts";
import { OPERATIONS } from "../../service/src/openapi.ts";
import { loadConfig } from "../../service/src/platform/env/config.ts";
import { wellFormedId } from "../../service/src/platform/request-id.ts";
import { securityHeaders } from "../../service/src/platform/security-headers.ts";
import { AUTH_MODES } from "../../service/src/platform/env/schema.ts";
import { clientReportSchema } from "../../service/src/reports/schema.ts";
import { INTERNAL_PORT, PUBLIC_PORT } from "../components/backend/backend.ts";
import { backendKeys } from "../components/backend/config.ts";
import { poolVariables } from "../components/backend/pool.ts";
import { isBaseUrl } from "../components/backend/providers.ts";
import { planCacheMemory } from "../components/cache/memory.ts";
import { keepAliveLadder } from "../components/edge/ladder.ts";
import { renderNginx, type EdgeConfig } from "../components/edge/nginx.ts";
import { pageSettings } from "../components/pages/config.ts";
import { parseConfig } from "../config/problems.ts";
import { PAGE_FEATURES, renderRuntimeConfig } from "../../frontend/publish/runtime-config.ts";
import { defaults } from "./defaults.ts";

const REPOSITORY = join(import.meta.dirname, "../..");
const textOf = (path: string): string => readFileSync(join(REPOSITORY, path), "utf8");
const number = (pattern: RegExp, text: string): number => {
  const found = pattern.exec(text)?.[1];
  assert.ok(found, `${pattern} is not found any more`);
  return Number(found.replaceAll("_", ""));
};

const service = loadConfig({});
const edge: EdgeConfig = {
  upstreams: [{ name: "backend-1", address: "10.0.0.2" }],
  upstreamPort: PUBLIC_PORT,
  release: "abc",
  tls: true,
  keepAlive: keepAliveLadder(10),
  responseSeconds: Number(defaults["edgeResponseSeconds"]),
  corsOrigins: ["https://owner.github.io"],
  resourcePolicy: "cross-origin",
  memory: 512,
  hosts: [],
  limits: { connections: 2000, requestRate: 1000, streams: 1000, streamRate: 200 },
};
const NGINX = renderNginx(edge);
const DOCKERFILE = textOf("service/Dockerfile");
const STREAM = textOf("frontend/js/transport/stream.js");
const PAGE_SOURCES = [
  "app.js",
  "diagnostics.js",
  ...readdirSync(join(REPOSITORY, "frontend/js"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".js"))
    .map((file) => `js/${file}`),
]
  .map((file) => textOf(`frontend/${file}`))
  .join("\n");

/** The directives of one location of nginx.conf. */
function location(name: string): string {
  const [, body] = new RegExp(`\\n    location ${name} \\{([\\s\\S]*?)\\n    \\}`).exec(NGINX) ?? [];
  return body ?? assert.fail(`nginx.conf has no location ${name}`);
}

describe("service, edge and page", () => {
  it("agree on how long a poll may wait", () => {
    const { wait } = pollQuerySchema.shape;
    const ofService = Array.from({ length: 100 }, (_, seconds) => seconds).filter(
      (seconds) => wait.safeParse(String(seconds)).success,
    );
    const longest = Math.max(...ofService);
    const ofEdge = number(/proxy_read_timeout (\d+)s/, location("= /api/events/poll"));
    const ofPage = number(/const POLL_SECONDS = (\d+);/, STREAM);
    assert.equal(ofPage, longest, "the page asks for as long as the service waits");
    assert.equal(ofEdge, longest + edge.responseSeconds, "the edge waits for that and for an answer");
    const patience = number(/AbortSignal\.timeout\((\d+_?\d*)\)/, STREAM) / 1000;
    assert.ok(patience > ofEdge, "the page hears of the edge's error instead of giving up before");
  });

  it("agree on how long a stream may be silent", () => {
    const heartbeat = service.events.heartbeatMs / 1000;
    const ofEdge = number(/proxy_read_timeout (\d+)s/, location("= /_stream"));
    assert.ok(ofEdge > 2 * heartbeat, "one heartbeat may be lost");
    const silence = number(/const SILENCE = ([\d.]+);/, STREAM);
    assert.ok(silence > 2, "the page leaves room for one lost heartbeat, too");
  });

  it("agree on what the page is told of its stack", async () => {
    const { loadConfig: load } = (await import(join(REPOSITORY, "frontend/js/config.js"))) as {
      loadConfig: () => Promise<Record<string, unknown>>;
    };
    const access = { apiBaseUrl: "https://api.example.org" };
    const settings = pageSettings(parseConfig("prod", defaults));
    const rendered = renderRuntimeConfig("prod", access, settings);
    const config = await withAnswer(rendered, load);
    assert.deepEqual(Object.keys(settings).sort(), ["authMode", "features", "measureSeconds", "pollSeconds"]);
    for (const [name, value] of Object.entries(rendered)) assert.deepEqual(config[name], value, name);
    assert.equal(config["heartbeatSeconds"], service.events.heartbeatMs / 1000);
    const unset = await withAnswer(renderRuntimeConfig("prod", access, {}), load);
    assert.deepEqual(unset, { ...config, authMode: undefined }, "a stack's defaults are the page's own");
  });

  it("agree on the ways to sign in, and on what a page may go without", () => {
    const { authMode, pollSeconds, features } = (
      JSON.parse(textOf("frontend/runtime-config.schema.json")) as {
        properties: {
          authMode: { enum: string[] };
          pollSeconds: { maximum: number };
          features: { properties: object };
        };
      }
    ).properties;
    assert.deepEqual(authMode.enum, [...AUTH_MODES]);
    assert.equal(pollSeconds.maximum, number(/const POLL_SECONDS = (\d+);/, STREAM));
    assert.deepEqual(Object.keys(features.properties).sort(), [...PAGE_FEATURES]);
  });

  it("agree on which pages the service can go along with: its own is one of them", () => {
    const ofPage = number(/PAGE_LEVEL = (\d+);/, textOf("frontend/js/version.js"));
    assert.equal(ofPage, OLDEST_PAGE_LEVEL, "both are raised together");
  });

  it("agree on the longest report of a page", async () => {
    const { Reporter } = (await import(join(REPOSITORY, "frontend/js/reporter.js"))) as {
      Reporter: new (
        api: { post: (path: string, body: unknown) => Promise<void> },
        client: string,
        redact: (text: string) => string,
      ) => {
        arrived(id: string, clock: object): void;
        answered(ms: number): void;
        lost(reason: string): void;
        error(error: object): void;
        send(isLast: boolean): Promise<void>;
      };
    };
    const { Clock } = (await import(join(REPOSITORY, "frontend/js/transport/clock.js"))) as {
      Clock: new () => object;
    };
    const sent: [string, unknown][] = [];
    const post = (path: string, body: unknown): Promise<void> => {
      sent.push([path, body]);
      return Promise.resolve();
    };
    const reporter = new Reporter({ post }, crypto.randomUUID(), (text) => text);
    const long = "x".repeat(10_000);
    reporter.arrived("epoch-1-0", new Clock());
    reporter.answered(1e9);
    reporter.lost(long);
    for (let index = 0; index < 100; index++)
      reporter.error({ kind: "console", text: `${index} ${long}`, source: long, line: 1e5, column: 1e5 });
    await reporter.send(false);
    assert.equal(sent.length, 1);
    const [path, body] = sent[0] ?? [];
    assert.ok(
      OPERATIONS.some((operation) => operation.path === path && operation.method === "post"),
      path,
    );
    const parsed = clientReportSchema.safeParse(body);
    assert.ok(parsed.success, parsed.error?.message);
  });

  it("agree on the headers that a page sends and reads", () => {
    const read = [...PAGE_SOURCES.matchAll(/headers\.get\("([a-z-]+)"\)/g)].map(([, name = ""]) => name);
    assert.ok(read.includes("retry-after"));
    const exposedByEdge = /\$own_cors_exposed \{[^}]*"([a-z, -]+)"/.exec(NGINX)?.[1]?.split(", ") ?? [];
    // A page of another origin may read content-type in any case (Fetch, CORS-safelisted response-header name).
    for (const name of read.filter((one) => one !== "content-type")) {
      assert.ok(corsHeaders.exposed.includes(name), `the service does not expose ${name}`);
      assert.ok(exposedByEdge.includes(name), `the edge does not expose ${name}`);
    }
    for (const name of exposedByEdge) assert.ok(corsHeaders.exposed.includes(name), name);
    const lines = PAGE_SOURCES.split("\n").filter((line) => line.includes("headers"));
    const sent = [...lines.join("\n").matchAll(/headers\["([a-z-]+)"\]|"([a-z]+-[a-z-]+)": /g)].map(
      ([, assigned, listed]) => assigned ?? listed ?? "",
    );
    for (const name of ["authorization", "content-type", "idempotency-key", "x-csrf-token", "last-event-id"])
      assert.ok(sent.includes(name), `the page does not send ${name}; is this test still right?`);
    for (const name of sent)
      assert.ok(corsHeaders.allowed.includes(name), `the service does not allow ${name}`);
  });

  it("agree on which scopes there are", () => {
    const named = (text: string): string[] => text.match(/\b(events|diag):\w+/g) ?? [];
    for (const scope of named(PAGE_SOURCES)) assert.ok((SCOPES as readonly string[]).includes(scope), scope);
    const help = /--scopes <list>",\s+"([^"]+)"/.exec(textOf("ops/cli.ts"))?.[1] ?? "";
    assert.deepEqual(named(help), [...SCOPES]);
    assert.match(help, /the first two/);
    assert.deepEqual([...DEFAULT_SCOPES], SCOPES.slice(0, 2));
  });
});

describe("service and edge", () => {
  it("agree on the ports", () => {
    assert.deepEqual([service.port, service.internalPort], [PUBLIC_PORT, INTERNAL_PORT]);
    assert.equal(number(/OMNIAI_PORT=(\d+)/, DOCKERFILE), PUBLIC_PORT);
    assert.equal(number(/OMNIAI_INTERNAL_PORT=(\d+)/, DOCKERFILE), INTERNAL_PORT);
    assert.match(DOCKERFILE, new RegExp(`^EXPOSE ${PUBLIC_PORT} ${INTERNAL_PORT}$`, "m"));
  });

  it("agree on the paths that have a rule of their own", () => {
    const paths = OPERATIONS.filter(({ ports }) => ports.includes("public")).map(({ path }) => path);
    for (const [, path = ""] of NGINX.matchAll(/location = (\/api\/\S+) /g))
      assert.ok(paths.includes(path), path);
    const probes = /location ~ \^\/\(([a-z|]+)\)\$/.exec(NGINX)?.[1]?.split("|") ?? [];
    assert.deepEqual(
      probes.map((probe) => `/${probe}`),
      HEALTH_OPERATIONS.map(({ path }) => path),
    );
    for (const path of paths) assert.ok(path.startsWith("/api/") || probes.includes(path.slice(1)), path);
  });

  it("agree on who the client is: the edge names one address, and the service counts one hop", () => {
    const named = NGINX.match(/proxy_set_header X-Forwarded-For .*/g) ?? [];
    assert.ok(named.length > 0);
    for (const line of named) assert.equal(line, "proxy_set_header X-Forwarded-For $remote_addr;");
  });

  it("agree on which request ids are kept", () => {
    const [, pattern = ""] = /map \$http_x_request_id \$trace \{[^}]*"~([^"]+)"/.exec(NGINX) ?? [];
    const ofEdge = new RegExp(pattern);
    const text = fc.oneof(
      fc.string(),
      fc.stringMatching(/^[A-Za-z0-9._-]{1,140}$/),
      fc.stringMatching(/^[a-z0-9]{8,10}.?$/),
    );
    fc.assert(fc.property(text, (id) => ofEdge.test(id) === wellFormedId.test(id)));
  });

  it("agree on the security headers", () => {
    const ofService = new Map<string, string>();
    const response = {
      setHeaders: (headers: Map<string, string>) => {
        for (const [name, value] of headers) ofService.set(name.toLowerCase(), value.replaceAll(";", "; "));
      },
    };
    securityHeaders({} as never, response as never, () => undefined);
    assert.ok(ofService.size >= 5);
    for (const [name, value] of ofService) {
      const ofEdge = new RegExp(`add_header ${name} "([^"]*)" always;`, "i").exec(NGINX)?.[1];
      assert.equal(ofEdge, value.replaceAll(";  ", "; "), name);
    }
  });

  it("agree on how long a body may be: the service's own limit is below the edge's", () => {
    const ofEdge = number(/client_max_body_size (\d+)m;/, NGINX) * 1024 * 1024;
    assert.ok(service.bodyLimitBytes < ofEdge);
    assert.ok(service.events.maxEventBytes < service.bodyLimitBytes);
  });

  it("agree on how long an answer may take: the service gives up before the edge takes it for hung", () => {
    const ms = edge.responseSeconds * 1000;
    for (const [what, limit] of Object.entries({
      "an append": service.events.appendDeadlineMs,
      "a login in its turn": PATIENCE_MS,
      "a check": service.health.deadlineMs,
    }))
      assert.ok(limit < ms, `${what}: ${limit} ms`);
  });
});

describe("service and infra", () => {
  it("agree on which files of the image are run", () => {
    const run = [
      ...textOf("infra/components/backend/backend.ts").matchAll(/service\/[\w/.-]+\.m?js\b/g),
      ...textOf("ops/commands/user.ts").matchAll(/service\/[\w/.-]+\.m?js\b/g),
      ...DOCKERFILE.matchAll(/service\/[\w/.-]+\.m?js\b/g),
    ].map(([file]) => file);
    assert.ok(run.length >= 5, run.join(" "));
    for (const file of run) {
      // build.mjs makes dist/ of src/.
      const source = file.replace("/dist/", "/src/").replace(/\.js$/, ".ts");
      assert.ok(existsSync(join(REPOSITORY, source)), file);
    }
  });

  it("agree on what a provider's address may be", () => {
    const url = fc.oneof(
      fc.webUrl({ withFragments: true, withQueryParameters: true }),
      fc.constantFrom(
        "file:///etc/passwd",
        "https://me:pw@example.com",
        "https://example.com/v1/",
        "nonsense",
        "",
      ),
    );
    fc.assert(
      fc.property(url, (baseUrl) => {
        const isTaken = (): boolean => {
          try {
            loadConfig({ OMNIAI_PROVIDERS: JSON.stringify([{ name: "a", baseUrl }]) });
            return true;
          } catch {
            return false;
          }
        };
        assert.equal(isTaken(), isBaseUrl(baseUrl), baseUrl);
      }),
      { numRuns: 50 },
    );
  });

  it("agree on the connections to PostgreSQL: two generations of replicas fit, and one migration", () => {
    const source = textOf("infra/components/database/database.ts");
    const most = number(/max_connections: "(\d+)"/, source);
    // PostgreSQL keeps three for superusers, by default.
    const free = most - 3 - 1;
    const poolOf = (replicas: number): number =>
      loadConfig(poolVariables(replicas)).postgres.poolMax * replicas;
    const { minValue, maxValue } = backendKeys.backendReplicas;
    assert.ok(minValue === 1 && maxValue);
    // From every number to every other: a deploy may change it.
    const largest = Math.max(...Array.from({ length: maxValue }, (_, index) => poolOf(index + 1)));
    assert.ok(2 * largest <= free - 4, `${largest} connections of one generation`);
    assert.deepEqual(poolVariables(Number(defaults["backendReplicas"])), {}, "the service's default");
    assert.equal(loadConfig(poolVariables(2)).postgres.poolMax, 10);
  });

  it("agree on what the event log takes of Redis: a quarter of what Redis may use is left for sessions", () => {
    for (const memory of [64, 128, 512]) {
      const { maxmemory, eventLog } = planCacheMemory(memory);
      // Long entries take up to 1.25 times their length, and idempotency keys a fifth of the budget.
      const taken = (eventLog / 1024 ** 2) * (1.25 + 0.2);
      assert.ok(taken < maxmemory * 0.75, `${memory}: ${taken} of ${maxmemory}`);
    }
    const plan = planCacheMemory(Number(defaults["redisMemory"]));
    assert.equal(
      service.events.logBytes,
      plan.eventLog,
      "the service's own default is that of a default stack",
    );
  });

  it("agree on the memory of a replica: its heap takes at most half of the least that config allows", () => {
    const flags = [...DOCKERFILE.matchAll(/--max-semi-space-size=(\d+)"?,? "?--max-old-space-size=(\d+)/g)];
    assert.equal(flags.length, 2, "the warm-up and the command");
    for (const [, semi, old] of flags) assert.ok(3 * Number(semi) + Number(old) <= 192 / 2);
    assert.ok(
      !backendKeys.backendMemory.safeParse(191).success && backendKeys.backendMemory.safeParse(192).success,
    );
  });

  it("agree on the health check: two probes and the program's start fit into the engine's time for one", () => {
    const probe = number(/const PROBE_MS = (\d+);/, textOf("service/healthcheck.mjs"));
    const probes = number(/^const PROBES = (\d+);/m, textOf("service/healthcheck.mjs"));
    const timeout = number(
      /healthcheck\.sh"\], timeout: (\d+)/,
      textOf("infra/components/backend/backend.ts"),
    );
    assert.ok(probes * probe + 1000 <= timeout * 1000);
    // The shell before it sends the first of these.
    const waits = [...textOf("service/healthcheck.sh").matchAll(/ -t ([\d.]+) /g)].map(
      ([, s]) => Number(s) * 1000,
    );
    assert.ok(waits.length > 0 && waits.every((ms) => ms === probe), waits.join());
  });
});

describe("ops and the host", () => {
  it("agree on what holds a connection, so that the key of a drift check can hold one", () => {
    const text = (pattern: RegExp, path: string): unknown =>
      JSON.parse(pattern.exec(textOf(path))?.[1] ?? assert.fail(`${path} has no ${pattern}`));
    const ofOps = text(/^const REMOTE =\s+(".+");$/m, "ops/engine/ssh/master.ts");
    const ofHost = text(/^HOLD = \(\s+(".+")\s+\)$/m, "infra/components/host/steps/engine-reader.py");
    assert.equal(ofHost, ofOps);
  });
});

/** Runs `work` while every request of this process is answered with `body`. */
async function withAnswer<T>(body: object, work: () => Promise<T>): Promise<T> {
  const before = globalThis.fetch;
  globalThis.fetch = () => Promise.resolve(Response.json(body));
  try {
    return await work();
  } finally {
    globalThis.fetch = before;
  }
}
