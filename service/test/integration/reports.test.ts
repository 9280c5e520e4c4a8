/** Reports of pages: stored, refused, limited and removed. */
import { strict as assert } from "node:assert";
import {
  eventually,
  measured,
  startInstance,
  statusOf,
  whileItHolds,
  whileLimitsAreShared,
  type Instance,
} from "../support/instance.ts";
import { testServers, type Servers } from "../support/servers.ts";

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly retryAfter: string | null;
  readonly ms: number;
}

/** @param address whose it is, where the instance believes a proxy. */
async function report(
  instance: Instance,
  body: unknown,
  address = "192.0.2.1",
  contentType = "application/json",
): Promise<Answer> {
  const started = performance.now();
  const response = await fetch(`${instance.url}/api/diag/client-reports`, {
    method: "POST",
    headers: { "content-type": contentType, "x-forwarded-for": address },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  const { type = "" } = (await response.json()) as { type?: string };
  return {
    status: response.status,
    type,
    retryAfter: response.headers.get("retry-after"),
    ms: performance.now() - started,
  };
}

describe("reports of pages", function () {
  this.timeout(120_000);
  let servers: Servers;
  let instance: Instance;
  const psql = (sql: string): Promise<string> =>
    servers.postgres.exec("psql", "-h", "127.0.0.1", "-U", "omniai", "-qtAc", sql, "omniai");
  const client = "page-of-the-test";

  before(async function () {
    this.timeout(120_000);
    servers = await testServers();
    instance = await startInstance({
      OMNIAI_OPTIONAL_CHECKS: "database",
      OMNIAI_CLIENT_REPORTS_PER_MINUTE: "6000",
    });
  });
  beforeEach(() => psql("TRUNCATE client_reports"));
  after(() => instance?.stop());

  it("are in PostgreSQL when they are acknowledged", async () => {
    const full = {
      client,
      periodSeconds: 60,
      latency: { samples: 12, p50Ms: 20, p95Ms: 80.5, maxMs: 200 },
      reconnects: { count: 2, lastReason: "silence" },
      errors: [
        { message: "x is undefined", source: "app.js", line: 3, column: 9, count: 4 },
        { message: "y is not a function" },
      ],
    };
    assert.equal((await report(instance, full)).status, 202);
    const row = await psql(
      "SELECT client, latency_p50_ms, latency_p95_ms, reconnects, errors, body->'errors'->0->>'message' FROM client_reports",
    );
    assert.equal(row, `${client}|20|80.5|2|5|x is undefined`);
  });

  it("may hold any text, and lose what PostgreSQL cannot store", async () => {
    const errors = [{ message: "nul \u0000, half a pair \ud800, escape \u001b[31m, ü 🙂" }];
    assert.equal((await report(instance, { client, errors })).status, 202);
    assert.equal(
      await psql("SELECT body->'errors'->0->>'message' FROM client_reports"),
      "nul  , half a pair \ufffd, escape  [31m, ü 🙂",
    );
  });

  it("are refused when they are not valid, or too long", async () => {
    const bad: unknown[] = [
      null,
      [],
      "text",
      {},
      { client: "short" },
      { client, more: 1 },
      { client, latency: { samples: 1, p50Ms: -1, p95Ms: 1, maxMs: 1 } },
      { client, latency: { samples: 1.5, p50Ms: 1, p95Ms: 1, maxMs: 1 } },
      { client, latency: { samples: 1, p50Ms: 1e308, p95Ms: 1, maxMs: 1 } },
      { client, reconnects: { count: 1_000_001 } },
      { client, errors: [{ message: "x".repeat(501) }] },
      { client, errors: Array.from({ length: 21 }, () => ({ message: "x" })) },
    ];
    for (const body of bad) {
      const { status, type } = await report(instance, JSON.stringify(body));
      assert.deepEqual([status, type], [400, "urn:omniai:problem:invalid-report"], JSON.stringify(body));
    }
    for (const number of ["12345678901234567890", "1e400", "0.12345678901234567890"]) {
      const body = `{"client":"${client}","latency":{"samples":1,"p50Ms":${number},"p95Ms":1,"maxMs":1}}`;
      assert.equal(
        (await report(instance, body)).status,
        400,
        `${number}: it would be stored as another number`,
      );
    }
    assert.equal((await report(instance, "{")).status, 400);
    assert.equal((await report(instance, { client }, undefined, "text/plain")).status, 415);
    assert.equal((await report(instance, { client, x: "x".repeat(40_000) })).status, 413);
    assert.equal((await fetch(`${instance.url}/api/diag/client-reports`)).status, 405);
    assert.equal(await psql("SELECT count(*) FROM client_reports"), "0");
  });

  it("get 503 and Retry-After within 2 s while PostgreSQL is silent; an optional database does not cost readiness", async () => {
    await servers.postgres.pause();
    try {
      const { result: answers, lateMs } = await measured(async () => [
        ...(await Promise.all(Array.from({ length: 12 }, () => report(instance, { client })))),
        await report(instance, { client }),
      ]);
      for (const { status, retryAfter, ms } of answers) {
        assert.equal(status, 503);
        assert.ok(Number(retryAfter) >= 1, `Retry-After: ${retryAfter}`);
        assert.ok(ms < 2000 + lateMs, `${ms} ms, ${lateMs} ms late`);
      }
      await eventually("noticed", async () => {
        const body = (await (await fetch(`${instance.internalUrl}/readyz`)).json()) as { status: string };
        return body.status === "warn";
      });
      assert.equal(await statusOf(`${instance.internalUrl}/readyz`), 200);
    } finally {
      await servers.postgres.unpause();
    }
    await eventually("stored again", async () => (await report(instance, { client })).status === 202);
  });

  it("get 503 while the table is away, as in a migration gone wrong", async () => {
    await psql("ALTER TABLE client_reports RENAME TO away");
    try {
      assert.equal((await report(instance, { client })).status, 503);
    } finally {
      await psql("ALTER TABLE away RENAME TO client_reports");
    }
  });

  it("are limited for each address, IPv6 by /56, and leave room for others", async () => {
    let homes = 0;
    await whileLimitsAreShared(async () => {
      const limited = await startInstance({
        OMNIAI_CLIENT_REPORTS_PER_MINUTE: "160",
        OMNIAI_TRUST_PROXY_HOPS: "1",
      });
      const network = `2001:db8:${70 + ++homes}`;
      const from = async (address: string): Promise<number> =>
        (await report(limited, { client }, `${network}:${address}`)).status;
      try {
        const statuses: number[] = [];
        // An eighth of 160, and then no more, whichever address of its own the client takes.
        for (let n = 0; n < 23; n++) statuses.push(await from(`12${n % 10}0::${n + 1}`));
        assert.deepEqual(
          statuses,
          Array.from({ length: 23 }, (_, n) => (n < 20 ? 202 : 429)),
        );
        assert.equal(await from("1300::1"), 202);
      } finally {
        await limited.stop();
      }
    });
  });

  it("get 429 and Retry-After above the rate, before their body is looked at", async () => {
    // A sixth of them at once, and then one more in five seconds.
    await whileItHolds(5000, async () => {
      const limited = await startInstance({
        OMNIAI_CLIENT_REPORTS_PER_MINUTE: "12",
        OMNIAI_TRUST_PROXY_HOPS: "1",
      });
      try {
        const answers: Answer[] = [];
        for (let i = 0; i < 4; i++) answers.push(await report(limited, { client }, `198.51.100.${i}`));
        assert.deepEqual(
          answers.map(({ status }) => status),
          [202, 202, 429, 429],
        );
        assert.ok(Number(answers.at(-1)?.retryAfter) >= 1);
        assert.equal((await report(limited, "{", "198.51.100.9")).status, 429);
      } finally {
        await limited.stop();
      }
    });
  });

  it("are removed after 7 days, and when there are too many, the oldest first", async () => {
    const insert = (age: string, count: number): Promise<string> =>
      psql(
        `INSERT INTO client_reports (received_at, replica, client, reconnects, errors, body)
         SELECT now() - interval '${age}', 'r', '${age}', 0, 0, '{}' FROM generate_series(1, ${count})`,
      );
    await insert("8 days", 1200);
    await insert("6 days", 30);
    await insert("1 hour", 40);
    const keeper = await startInstance({
      OMNIAI_CLIENT_REPORTS_CLEANUP_SECONDS: "0.2",
      OMNIAI_CLIENT_REPORTS_MAX: "50",
    });
    try {
      const left = (): Promise<string> =>
        psql("SELECT client, count(*) FROM client_reports GROUP BY client ORDER BY client");
      await eventually("removed", async () => (await left()) === "1 hour|40\n6 days|10");
    } finally {
      await keeper.stop();
    }
    const shorter = await startInstance({
      OMNIAI_CLIENT_REPORTS_CLEANUP_SECONDS: "0.2",
      OMNIAI_CLIENT_REPORTS_DAYS: "3",
    });
    try {
      await eventually("removed sooner", async () => {
        const left = await psql("SELECT client, count(*) FROM client_reports GROUP BY client");
        return left === "1 hour|40";
      });
    } finally {
      await shorter.stop();
    }
  });
});
