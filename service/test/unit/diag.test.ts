/** Pages of connections, and the verdict. */
import { strict as assert } from "node:assert";
import { uptimeOf } from "../../src/diag/uptime.ts";
import { pageOf } from "../../src/diag/connections.ts";
import { connectionsQuerySchema, type Connection } from "../../src/diag/schema.ts";
import { summarise } from "../../src/diag/summary.ts";
import type { CheckResult } from "../../src/health/checks.ts";

const query = (text: Record<string, string>) => connectionsQuerySchema.parse(text);

describe("pages of connections", () => {
  const all: Connection[] = Array.from({ length: 25 }, (_, index) => ({
    id: `s${String(index % 13).padStart(2, "0")}`,
    replica: index < 13 ? "b" : "a",
    since: new Date(1_000_000 - index * 1000).toISOString(),
    topics: index % 2 ? "public.*" : "public.news,user.7.*",
    sentBytes: 0,
    queuedBytes: index * 100,
    live: true,
  }));

  it("give each connection once, also when some leave in between", () => {
    const seen: string[] = [];
    let after: string | undefined;
    let rest = all;
    do {
      const page = pageOf(rest, query({ limit: "4", ...(after ? { after } : {}) }), 1_000_000);
      seen.push(...page.connections.map(({ replica, id }) => `${replica}:${id}`));
      // The one that the next page begins after is gone.
      rest = rest.filter(({ replica, id }) => `${replica}:${id}` !== page.next);
      after = page.next;
    } while (after !== undefined);
    assert.equal(seen.length, 25);
    assert.equal(new Set(seen).size, 25);
    assert.deepEqual(seen, [...seen].sort());
  });

  it("hold what matches the filter, and say how many do", () => {
    const matching = (filter: Record<string, string>): number =>
      pageOf(all, query(filter), 1_000_000).matching;
    assert.equal(matching({}), 25);
    assert.equal(matching({ replica: "a" }), 12);
    assert.equal(matching({ topic: "user.7" }), 13);
    assert.equal(matching({ minQueuedBytes: "2400" }), 1);
    assert.equal(matching({ minSeconds: "20" }), 5);
    assert.equal(matching({ replica: "b", topic: "news", minQueuedBytes: "600" }), 4);
  });

  it("have a bounded length and known parameters", () => {
    for (const bad of [{ limit: "501" }, { limit: "x" }, { other: "1" }, { after: "a b" }]) {
      assert.equal(connectionsQuerySchema.safeParse(bad).success, false, JSON.stringify(bad));
    }
  });
});

describe("summarise", () => {
  const result = (status: CheckResult["status"], output?: string): readonly CheckResult[] => [
    { componentType: "datastore", status, observedValue: 1, observedUnit: "ms", time: "", output },
  ];
  const well = {
    isDraining: false,
    results: { "database:responseTime": result("pass"), "redis:responseTime": result("pass") },
    optional: [],
    redis: { status: "pass", persistence: { appendOnly: true, lastWriteOk: true, loading: false } } as const,
    providers: [],
  };

  it("has no reasons when all is well", () => {
    assert.deepEqual(summarise(well), { status: "pass", verdict: "All is well.", reasons: [] });
  });

  it("names what is not well, the worst first", () => {
    const { status, reasons } = summarise({
      ...well,
      results: {
        "redis:responseTime": result("warn", "slow"),
        "database:responseTime": result("fail", "away"),
      },
      redis: { status: "pass", persistence: { appendOnly: true, lastWriteOk: false, loading: false } },
      providers: [{ name: "p", baseUrl: "", status: "fail", circuit: "open", reason: "answers 500" }],
    });
    assert.equal(status, "fail");
    assert.deepEqual(
      reasons.map(({ component, status: each }) => [component, each]),
      [
        ["database", "fail"],
        ["redis", "warn"],
        ["redis persistence", "warn"],
        ["provider p", "warn"],
      ],
    );
  });

  it("only warns about optional checks, and fails when it is stopping or was not checked yet", () => {
    const away = { "database:responseTime": result("fail", "away") };
    assert.equal(summarise({ ...well, results: away, optional: ["database"] }).status, "warn");
    assert.equal(summarise({ ...well, isDraining: true }).status, "fail");
    assert.equal(
      summarise({ ...well, results: { "events:silence": [] } }).reasons[0]?.detail,
      "not checked yet",
    );
  });
});

describe("uptime by day", () => {
  const now = new Date("2026-03-04T10:30:20Z");
  const row = (day: string, up: number, first = 0, well = up) => ({ day, up, first, well });

  it("counts from the first minute that is known, and today up to now", () => {
    const days = uptimeOf([row("2026-03-03", 60, 1380), row("2026-03-04", 620, 0, 600)], now);
    assert.deepEqual(days, [
      { day: "2026-03-03", minutes: 60, upMinutes: 60, wellMinutes: 60 },
      { day: "2026-03-04", minutes: 630, upMinutes: 620, wellMinutes: 600 },
    ]);
  });

  it("has days in which nothing was written, as days without uptime", () => {
    const days = uptimeOf([row("2026-03-01", 1440), row("2026-03-03", 1440)], now);
    assert.deepEqual(
      days.map(({ upMinutes, minutes }) => [upMinutes, minutes]),
      [
        [1440, 1440],
        [0, 1440],
        [1440, 1440],
        [0, 630],
      ],
    );
  });

  it("has 90 days at most, and takes an outage at their beginning for one", () => {
    const days = uptimeOf([row("2025-10-01", 1440), row("2025-12-08", 440, 1000)], now);
    assert.equal(days.length, 90);
    assert.deepEqual(
      days.slice(0, 4).map(({ day, upMinutes, minutes }) => [day, upMinutes, minutes]),
      [
        ["2025-12-05", 0, 1440],
        ["2025-12-06", 0, 1440],
        ["2025-12-07", 0, 1440],
        ["2025-12-08", 440, 1440],
      ],
    );
  });

  it("knows nothing before anything was written", () => assert.deepEqual(uptimeOf([], now), []));
});
