/** PostgreSQL that is paused, killed, full or away. */
import { strict as assert } from "node:assert";
import { setTimeout as sleep } from "node:timers/promises";
import { diagSchema } from "../../src/diag/schema.ts";
import { eventually, measured, post, startInstance, statusOf, type Instance } from "../support/instance.ts";
import { startProcess } from "../support/process.ts";
import { environmentOf, startPostgres, testServers, type TestServer } from "../support/servers.ts";
import { SseClient } from "../support/sse.ts";

/**
 * Longer than every deadline that the service has for PostgreSQL (the longest is 10 s, for an idle transaction), so that
 * a longer pause shows nothing else.
 */
const PAUSE_SECONDS = Number(process.env.OMNIAI_TEST_PAUSE_SECONDS ?? 15);
/** Longer than any probe takes to give a container up; minutes show no more of it, but can be had. */
const AWAY_SECONDS = Number(process.env.OMNIAI_TEST_AWAY_SECONDS ?? 60);

interface Answer {
  readonly status: number;
  readonly type: string | null;
  readonly retryAfter: string | null;
  readonly ms: number;
}

/** A page's report: what of the service writes to PostgreSQL. */
async function report({ url }: { url: string }, bytes = 10): Promise<Answer> {
  const started = performance.now();
  const errors = Array.from({ length: 20 }, () => ({ message: randomText(bytes / 20) }));
  const response = await fetch(`${url}/api/diag/client-reports`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ client: "page-of-faults", errors }),
  });
  await response.arrayBuffer();
  const { status, headers } = response;
  const ms = performance.now() - started;
  return { status, type: headers.get("content-type"), retryAfter: headers.get("retry-after"), ms };
}

/** Nothing that PostgreSQL could compress. */
const randomText = (length: number): string =>
  Array.from({ length }, () => String.fromCharCode(97 + Math.floor(Math.random() * 26))).join("");

describe("PostgreSQL that fails", function () {
  let instance: Instance;
  let postgres: TestServer;
  const many = { OMNIAI_CLIENT_REPORTS_PER_MINUTE: "1000000" };

  /** What every outage has in common: it says so, in time, and everything else goes on. */
  const isAway = async (client: SseClient): Promise<void> => {
    await eventually("not ready", async () => (await statusOf(`${instance.internalUrl}/readyz`)) === 503);
    assert.equal(await statusOf(`${instance.internalUrl}/healthz`), 200);
    const { result, lateMs } = await measured(() => report(instance));
    const { status, type, retryAfter, ms } = result;
    assert.equal(status, 503);
    assert.match(type ?? "", /^application\/problem\+json/);
    assert.ok(Number(retryAfter) >= 1);
    assert.ok(ms < 2000 + lateMs, `${ms} ms, ${lateMs} ms late`);
    const { id } = await post(instance, { type: "still", data: 1 });
    await client.until("events", ({ published }) => published.at(-1)?.id === id);
  };
  const isBack = async (): Promise<void> => {
    await eventually("ready", () => instance.isReady());
    assert.equal((await report(instance)).status, 202);
  };

  before(async function () {
    this.timeout(120_000);
    await testServers();
    postgres = await startPostgres();
    instance = await startInstance({ ...environmentOf(postgres), ...many });
  });
  after(async () => {
    await instance?.stop();
    await postgres?.remove();
  });

  it(`is survived when it is paused for ${PAUSE_SECONDS} s`, async function () {
    this.timeout((PAUSE_SECONDS + 120) * 1000);
    const client = await new SseClient(`${instance.url}/api/events`).joined();
    assert.equal((await report(instance)).status, 202);
    const end = Date.now() + PAUSE_SECONDS * 1000;
    await postgres.pause();
    try {
      // Before anybody knows of it, and not only when the checks have noticed.
      const { result: first, lateMs } = await measured(() =>
        Promise.all(Array.from({ length: 10 }, () => report(instance))),
      );
      for (const { status, ms } of first)
        assert.ok(status === 503 && ms < 2000 + lateMs, `${status} after ${ms} ms, ${lateMs} ms late`);
      do await isAway(client);
      while (Date.now() < end);
    } finally {
      await postgres.unpause();
    }
    await isBack();
    client.close();
  });

  it("is survived when it is killed", async function () {
    this.timeout(120_000);
    const client = await new SseClient(`${instance.url}/api/events`).joined();
    await postgres.kill();
    try {
      await isAway(client);
    } finally {
      await postgres.restart();
    }
    await isBack();
    client.close();
  });

  it("is survived when its disk is full: writes fail with 503 until there is room, reads go on", async function () {
    this.timeout(120_000);
    const data = "/var/lib/postgresql/data";
    const small = await startPostgres(["--tmpfs", `${data}:size=160m`]);
    const full = await startInstance({ ...environmentOf(small), ...many });
    const filled = `${data}/filler`;
    try {
      const client = await new SseClient(`${full.url}/api/events`).joined();
      assert.equal((await report(full)).status, 202);
      await small.exec("sh", "-c", `cat /dev/zero > ${filled} 2>/dev/null; true`);
      let refused: Answer | undefined;
      for (let tries = 0; !refused && tries < 300; tries++) {
        const answer = await report(full, 8000);
        if (answer.status !== 202) refused = answer;
      }
      assert.equal(refused?.status, 503);
      assert.equal(refused?.type?.split(";")[0], "application/problem+json");
      assert.ok(Number(refused?.retryAfter) >= 1);
      const diag = diagSchema.parse(await (await fetch(`${full.url}/api/diag`)).json());
      assert.equal(diag.database.status, "pass", "reads go on");
      assert.ok((diag.quality?.reports ?? 0) >= 1);
      assert.ok(full.isReady());
      const { status, id } = await post(full, { type: "still", data: 1 });
      assert.equal(status, 201);
      await client.until("events", ({ published }) => published.at(-1)?.id === id);
      await small.exec("rm", filled);
      await eventually("stored again", async () => (await report(full, 8000)).status === 202);
      client.close();
    } finally {
      await full.stop();
      await small.remove();
    }
  });

  it(`restarts nobody when it is away for ${AWAY_SECONDS} s: liveness is 200 all the time, and streams stay open`, async function () {
    this.timeout((AWAY_SECONDS + 120) * 1000);
    const replicas = await Promise.all(
      [1, 2].map(() => startProcess({ ...environmentOf(postgres), OMNIAI_STREAM_MAX_AGE_SECONDS: "3600" })),
    );
    const clients = await Promise.all(
      replicas.flatMap(({ url }) => [1, 2, 3].map(() => new SseClient(`${url}/api/events`).joined())),
    );
    const liveness = new Set<number>();
    let posted = 0;
    await postgres.kill();
    try {
      const end = Date.now() + AWAY_SECONDS * 1000;
      while (Date.now() < end) {
        for (const { internalUrl, url } of replicas) {
          liveness.add(await statusOf(`${internalUrl}/healthz`));
          assert.equal((await post({ url }, { type: "n", data: ++posted })).status, 201);
        }
        await sleep(500);
      }
      assert.equal(await statusOf(`${replicas[0]?.internalUrl}/readyz`), 503, "it was away");
    } finally {
      await postgres.restart();
    }
    assert.deepEqual([...liveness], [200]);
    for (const { internalUrl, child, lines } of replicas) {
      await eventually("ready", async () => (await statusOf(`${internalUrl}/readyz`)) === 200);
      assert.equal(child.exitCode, null);
      assert.equal(lines.filter(({ msg }) => msg === "listening").length, 1);
    }
    for (const client of clients) {
      assert.equal(client.endedAt, 0, "open all the time");
      await client.until("every event", ({ published }) => published.length === posted);
      client.close();
    }
    for (const { child } of replicas) child.kill("SIGTERM");
    for (const { exit } of replicas) assert.deepEqual(await exit, [0, null]);
  });
});
