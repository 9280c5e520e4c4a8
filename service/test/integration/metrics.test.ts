/** /metrics, and the security headers. */
import { strict as assert } from "node:assert";
import { connect as connectSocket } from "node:net";
import { Metrics } from "../../src/platform/prometheus.ts";
import { eventually, post, startInstance, type Instance } from "../support/instance.ts";
import { testServers, type Servers } from "../support/servers.ts";
import { SseClient } from "../support/sse.ts";

/** Samples as `name{labels}` to value. */
function parse(text: string): Map<string, number> {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => [
      line.slice(0, line.lastIndexOf(" ")),
      Number(line.slice(line.lastIndexOf(" ") + 1)),
    ]),
  );
}

describe("metrics", function () {
  this.timeout(120_000);
  let servers: Servers;
  let instance: Instance;
  const scrape = async (): Promise<Map<string, number>> =>
    parse(await (await fetch(`${instance.internalUrl}/metrics`)).text());
  const count = (samples: Map<string, number>, labels: string): number =>
    samples.get(`omniai_http_request_duration_seconds_count{${labels}}`) ?? 0;

  before(async function () {
    this.timeout(120_000);
    servers = await testServers();
    instance = await startInstance();
  });
  after(() => instance?.stop());

  it("are on the internal port only, in Prometheus' format", async () => {
    const response = await fetch(`${instance.internalUrl}/metrics`);
    assert.equal(response.status, 200);
    assert.match(response.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
    const text = await response.text();
    for (const name of [
      "nodejs_eventloop_lag_p99_seconds",
      "process_resident_memory_bytes",
      "omniai_build_info",
    ]) {
      assert.ok(text.includes(`# TYPE ${name} `), name);
    }
    assert.equal((await fetch(`${instance.url}/metrics`)).status, 404);
  });

  it("count requests by route template and never by path", async () => {
    for (const path of [
      "/api/diag",
      "/API/diag/",
      "/nothing/secret-4711",
      "/healthz?x=1",
      "/api/diag/../../etc",
    ]) {
      await (await fetch(`${instance.url}${path}`)).arrayBuffer();
    }
    await post(instance, { type: "x", data: 1 });
    await post(instance, { type: "not valid", data: 1 });
    const samples = await scrape();
    assert.equal(count(samples, 'method="GET",route="/api/diag",status="200"'), 2);
    assert.equal(count(samples, 'method="GET",route="unmatched",status="404"'), 2);
    assert.equal(count(samples, 'method="GET",route="/healthz",status="200"'), 1);
    assert.equal(count(samples, 'method="POST",route="/api/events",status="201"'), 1);
    assert.equal(count(samples, 'method="POST",route="/api/events",status="400"'), 1);
    assert.ok(![...samples.keys()].some((key) => key.includes("4711") || key.includes("etc")));
  });

  it("say what PostgreSQL says of itself, with each replication slot", async () => {
    const sql = (text: string): Promise<string> =>
      servers.postgres.exec("psql", "-U", "omniai", "-qtAc", text, "omniai");
    const settle = async (size: string): Promise<void> => {
      await sql(`ALTER SYSTEM SET max_slot_wal_keep_size = '${size}'`);
      await sql("SELECT pg_reload_conf()");
    };
    // Without a limit there is nothing to be near to.
    assert.ok(!(await scrape()).has("omniai_postgres_slot_retained_bytes_max"));
    await settle("64MB");
    await sql("SELECT pg_create_physical_replication_slot('metrics_test', true)");
    try {
      // An answer from before the slot may still count as fresh.
      await eventually("the slot and the limit", async () => {
        const samples = await scrape();
        return (
          samples.has('omniai_postgres_slot_active{slot="metrics_test"}') &&
          samples.has("omniai_postgres_slot_retained_bytes_max")
        );
      });
      const samples = await scrape();
      assert.equal(samples.get("omniai_postgres_connections_max"), Number(await sql("SHOW max_connections")));
      assert.ok((samples.get("omniai_postgres_connections") ?? 0) >= 1);
      assert.ok((samples.get("omniai_postgres_database_bytes") ?? 0) > 1_000_000);
      assert.ok((samples.get("omniai_postgres_oldest_transaction_seconds") ?? -1) >= 0);
      assert.equal(samples.get('omniai_postgres_slot_active{slot="metrics_test"}'), 0);
      assert.equal(samples.get('omniai_postgres_slot_lost{slot="metrics_test"}'), 0);
      assert.ok((samples.get('omniai_postgres_slot_retained_bytes{slot="metrics_test"}') ?? -1) >= 0);
      assert.equal(samples.get("omniai_postgres_slot_retained_bytes_max"), 64 * 2 ** 20);
    } finally {
      await sql("SELECT pg_drop_replication_slot('metrics_test')");
      await settle("-1");
    }
  });

  it("leave streams out of the requests, and count them open", async () => {
    const client = await new SseClient(`${instance.url}/api/events`).joined();
    assert.equal((await scrape()).get("omniai_streams_open"), 1);
    client.close();
    await eventually("closed", () => instance.streams.size === 0);
    const samples = await scrape();
    assert.equal(samples.get("omniai_streams_open"), 0);
    const events = [...samples.keys()].filter((key) => key.includes('method="GET",route="/api/events"'));
    assert.deepEqual(events, []);
  });

  it("count what happens to streams: opened, closed by reason, replayed, reset, dropped", async () => {
    const strict = await startInstance({
      OMNIAI_STREAM_STALL_SECONDS: "600",
      OMNIAI_MAX_STREAMS_PER_ADDRESS: "3",
    });
    await servers.admin.configSet("appendfsync", "always");
    const counts = async (): Promise<Map<string, number>> =>
      parse(await (await fetch(`${strict.internalUrl}/metrics`)).text());
    try {
      const live = await new SseClient(`${strict.url}/api/events`).joined();
      const cursor = live.parser.lastEventId;
      for (const data of [1, 2]) assert.equal((await post(strict, { type: "counted", data })).status, 201);
      await live.until("both", ({ published }) => published.length === 2);
      const resumed = new SseClient(`${strict.url}/api/events`, { "last-event-id": cursor });
      await resumed.until("both", ({ published }) => published.length === 2);
      const lost = new SseClient(`${strict.url}/api/events`, { "last-event-id": "nonsense" });
      await lost.until("reset", ({ resets }) => resets.length === 1);
      const tooMany = new SseClient(`${strict.url}/api/events`);
      assert.equal(await tooMany.ended, "end");
      lost.close();
      await eventually("closed", () => strict.streams.size === 2);
      const deaf = connectSocket(strict.port, "127.0.0.1");
      deaf.on("error", () => undefined).pause();
      deaf.write("GET /api/events HTTP/1.1\r\nHost: x\r\n\r\n");
      await eventually("open", () => strict.streams.size === 3);
      const data = "x".repeat(30_000);
      for (let n = 0; strict.streams.size === 3 && n < 200; n++) {
        await Promise.all(Array.from({ length: 5 }, () => post(strict, { type: "big", data })));
      }
      deaf.destroy();
      const samples = await counts();
      const expected: Record<string, number> = {
        omniai_streams_opened_total: 5,
        'omniai_streams_closed_total{reason="client"}': 1,
        'omniai_streams_closed_total{reason="busy"}': 1,
        'omniai_streams_closed_total{reason="slow"}': 1,
        'omniai_streams_dropped_total{reason="slow"}': 1,
        'omniai_streams_reset_total{reason="malformed"}': 1,
        omniai_events_replayed_total: 2,
        omniai_stream_duration_seconds_count: 3,
      };
      for (const [name, value] of Object.entries(expected)) assert.equal(samples.get(name), value, name);
      assert.ok((samples.get("omniai_stream_sent_bytes_total") ?? 0) > 30_000);
      for (const client of [live, resumed]) client.close();
    } finally {
      await servers.admin.configSet("appendfsync", "everysec");
      await strict.stop();
    }
  });

  it("count a request whose client left before the answer", async () => {
    await servers.redis.pause();
    try {
      const socket = connectSocket(instance.port, "127.0.0.1");
      const body = '{"type":"x","data":1}';
      socket.write(
        `POST /api/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      );
      await eventually(
        "it waits for Redis",
        async () => ((await scrape()).get("omniai_request_body_bytes") ?? 0) > 0,
      );
      socket.destroy();
      await eventually(
        "counted",
        async () => count(await scrape(), 'method="POST",route="/api/events",status="aborted"') === 1,
      );
    } finally {
      await servers.redis.unpause();
    }
    await eventually("ready again", () => instance.isReady());
  });

  it("show readiness, checks and the pool", async () => {
    // How far the reader is behind is as old as the last check, which may have fallen into the burst of a test before.
    await eventually(
      "a check after the last events",
      async () => ((await scrape()).get("omniai_event_reader_lag_entries") ?? 99) < 5,
    );
    // A check may have the only connection at the moment.
    await eventually(
      "a connection that nobody uses",
      async () => ((await scrape()).get('omniai_postgres_pool_connections{state="idle"}') ?? 0) >= 1,
    );
    const samples = await scrape();
    assert.equal(samples.get("omniai_ready"), 1);
    assert.equal(samples.get("omniai_redis_up"), 1);
    assert.equal(samples.get('omniai_check_status{check="migrations:pending"}'), 1);
    assert.equal(samples.get('omniai_check_status{check="events:lag"}'), 1);
    assert.equal(samples.get("omniai_postgres_pool_max"), 10);
    assert.ok((samples.get("omniai_event_reader_silence_seconds") ?? 99) < 20);
  });

  it("take what the events code tells, with labels from a short list of words only", async () => {
    const metrics = new Metrics([], { version: "1", build: "b", replica: "r" });
    const { streams } = metrics;
    streams.opened();
    streams.closed("age", 70_000, 1000);
    streams.closed("user 4711 <script>", 20, 24);
    streams.dropped("slow");
    streams.replayed(7);
    streams.reset("trimmed", 3);
    streams.lag(3);
    streams.lag(-50);
    const samples = parse(await metrics.text());
    const expected: Record<string, number> = {
      omniai_streams_opened_total: 1,
      'omniai_streams_closed_total{reason="age"}': 1,
      'omniai_streams_closed_total{reason="other"}': 1,
      'omniai_streams_closed_total{reason="stalled"}': 0,
      'omniai_streams_closed_total{reason="revoked"}': 0,
      omniai_stream_duration_seconds_count: 2,
      'omniai_stream_duration_seconds_bucket{le="60"}': 1,
      omniai_stream_sent_bytes_total: 1024,
      'omniai_streams_dropped_total{reason="slow"}': 1,
      omniai_events_replayed_total: 7,
      'omniai_streams_reset_total{reason="trimmed"}': 3,
      omniai_fan_out_lag_seconds_count: 2,
      'omniai_fan_out_lag_seconds_bucket{le="0.001"}': 1,
      'omniai_fan_out_lag_seconds_bucket{le="0.005"}': 2,
    };
    for (const [name, value] of Object.entries(expected)) assert.equal(samples.get(name), value, name);
  });

  it("come with headers that forbid to run, frame or sniff an answer, and allow every site to load it", async () => {
    for (const url of [
      `${instance.url}/api/diag`,
      `${instance.url}/nothing`,
      `${instance.internalUrl}/metrics`,
    ]) {
      const { headers } = await fetch(url);
      assert.equal(headers.get("x-content-type-options"), "nosniff");
      assert.equal(headers.get("cross-origin-resource-policy"), "cross-origin");
      assert.equal(headers.get("referrer-policy"), "no-referrer");
      assert.equal(headers.get("x-frame-options"), "DENY");
      assert.equal(
        headers.get("content-security-policy"),
        "default-src 'none';frame-ancestors 'none';base-uri 'none';form-action 'none'",
      );
      for (const absent of ["x-powered-by", "strict-transport-security", "x-xss-protection"]) {
        assert.equal(headers.get(absent), null, absent);
      }
    }
    const client = await new SseClient(`${instance.url}/api/events`).joined();
    assert.equal(client.response?.headers["cross-origin-resource-policy"], "cross-origin");
    client.close();
  });
});
