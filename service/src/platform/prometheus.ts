/** The metrics of one replica. */
import { METHODS } from "node:http";
import type pg from "pg";
import { Router, type RequestHandler } from "express";
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { StreamMetrics } from "./metrics.ts";
import { watchPostgres } from "./postgres-metrics.ts";
import { methodNotAllowed } from "./problems.ts";

/** What is read at each scrape instead of being counted. */
export interface MetricsSource {
  readonly pool: pg.Pool;
  /** The shared connection; undefined where there is no Redis. */
  readonly redis: { readonly isReady: boolean } | undefined;
  readonly isReady: () => boolean;
  readonly streams: { readonly size: number };
  readonly reader: { readonly status: { readonly silentMs: number } };
  readonly bodies: { readonly used: number };
  readonly providers: {
    states(waitMs: number): Promise<readonly { readonly name: string; readonly status: string }[]>;
  };
  readonly config: { readonly bodyBytes: number; readonly events: { readonly logBytes: number } };
  readonly checks: {
    readonly results: Readonly<
      Record<string, readonly { readonly status: string; readonly observedValue: number }[]>
    >;
  };
}

/** A process has one event loop and one heap, even when a test starts several services in it. */
let processRegistry: Registry | undefined;
function processMetrics(): Registry {
  if (!processRegistry) {
    processRegistry = new Registry();
    collectDefaultMetrics({ register: processRegistry, eventLoopMonitoringPrecision: 20 });
  }
  return processRegistry;
}

/** A scrape does not wait for a slow provider: the next one has its answer. */
const PROVIDER_WAIT_MS = 200;

/** Labels come from a short list of words, never from a client. */
const wordOr = (word: string, fallback: string): string => (/^[a-z-]{1,24}$/.test(word) ? word : fallback);

/** The metrics of one replica, scraped from its internal port. */
export class Metrics {
  readonly streams: StreamMetrics;
  /** Counts what became of a try to push an alert: sent, gone, retry, refused or given-up. */
  readonly countPush: (outcome: string) => void;
  readonly #registry = new Registry();
  readonly #requests: Histogram<"method" | "route" | "status">;
  readonly #templates: ReadonlySet<string>;

  /** @param templates the paths that exist, as openapi.json has them: the only values of the label `route`. */
  constructor(templates: readonly string[], names: { version: string; build: string; replica: string }) {
    const registers = [this.#registry];
    this.#templates = new Set(templates);
    this.#requests = new Histogram({
      name: "omniai_http_request_duration_seconds",
      help: "Answered requests by route template; event streams are not among them.",
      labelNames: ["method", "route", "status"],
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10],
      registers,
    });
    new Gauge({
      name: "omniai_build_info",
      help: "1; the labels say what runs.",
      labelNames: ["version", "build", "replica"],
      registers,
    }).set(names, 1);
    this.streams = streamMetrics(registers);
    const pushes = new Counter({
      name: "omniai_push_messages_total",
      help: "Tries to push a message to a device, by what became of them.",
      labelNames: ["outcome"],
      registers,
    });
    // Set to 0 now: a rate over a counter that appears with its first value misses that value.
    for (const outcome of ["sent", "gone", "retry", "refused", "given-up"]) pushes.inc({ outcome }, 0);
    this.countPush = (outcome) => pushes.inc({ outcome: wordOr(outcome, "other") });
  }

  /** Registers what is read at each scrape. */
  watch(source: MetricsSource): void {
    const registers = [this.#registry];
    const gauge = (name: string, help: string, read: () => number): void => {
      new Gauge({
        name: `omniai_${name}`,
        help,
        registers,
        collect() {
          this.set(read());
        },
      });
    };
    const observed = (check: string): number => source.checks.results[check]?.[0]?.observedValue ?? 0;
    const { pool } = source;
    gauge("ready", "1 while the replica takes requests.", () => Number(source.isReady()));
    gauge("streams_open", "Open event streams.", () => source.streams.size);
    gauge(
      "event_reader_silence_seconds",
      "Time since the event log last answered the reader.",
      () => source.reader.status.silentMs / 1000,
    );
    gauge(
      "event_reader_lag_entries",
      "Entries of the event log that the reader was behind when that was last looked at.",
      () => observed("events:lag"),
    );
    gauge(
      "event_log_used_ratio",
      "What the event log takes of its budget, 0 to 1, when that was last looked at.",
      () => observed("events:size") / 100,
    );
    gauge("event_log_budget_bytes", "What the event log may take.", () => source.config.events.logBytes);
    gauge(
      "redis_memory_used_ratio",
      "What Redis uses of its maxmemory, 0 to 1, when that was last looked at; at 1 it refuses to write.",
      () => observed("redis:memory") / 100,
    );
    gauge("request_body_bytes", "Request bodies under way.", () => source.bodies.used);
    gauge(
      "request_body_budget_bytes",
      "Request bodies that may be under way.",
      () => source.config.bodyBytes,
    );
    const { redis } = source;
    if (redis)
      gauge("redis_up", "1 while the shared connection to Redis is up.", () => Number(redis.isReady));
    gauge("postgres_pool_max", "Most connections of the pool.", () => pool.options.max);
    new Gauge({
      name: "omniai_postgres_pool_connections",
      help: "Connections of the PostgreSQL pool, and callers that wait for one.",
      labelNames: ["state"],
      registers,
      collect() {
        this.set({ state: "idle" }, pool.idleCount);
        this.set({ state: "used" }, pool.totalCount - pool.idleCount);
        this.set({ state: "waiting" }, pool.waitingCount);
      },
    });
    watchPostgres(pool, registers);
    new Gauge({
      name: "omniai_provider_up",
      help: "1 while the AI provider answers; a provider that was not asked yet is not there.",
      labelNames: ["provider"],
      registers,
      async collect() {
        for (const { name, status } of await source.providers.states(PROVIDER_WAIT_MS))
          if (status !== "unknown") this.set({ provider: name }, Number(status === "pass"));
      },
    });
    new Gauge({
      name: "omniai_check_status",
      help: "What each readiness check found last: 1 pass, 0.5 warn, 0 fail or not run yet.",
      labelNames: ["check"],
      registers,
      collect() {
        for (const [check, [result]] of Object.entries(source.checks.results)) {
          this.set({ check }, result?.status === "pass" ? 1 : result?.status === "warn" ? 0.5 : 0);
        }
      },
    });
  }

  /**
   * The devices that alerts are pushed to, for a stack with web push.
   * @param size undefined while it is not known; then there is no sample, because 0 would be another thing.
   */
  watchPush(size: () => number | undefined): void {
    new Gauge({
      name: "omniai_push_devices",
      help: "Devices that alerts are pushed to, those of all users, as this replica knew them last. Each replica has the same, so take the maximum.",
      registers: [this.#registry],
      collect() {
        this.reset();
        const known = size();
        if (known === undefined) return this.remove();
        this.set(known);
      },
    });
  }

  /** Times every request except event streams, which end after minutes and have metrics of their own. */
  get middleware(): RequestHandler {
    return (request, response, next) => {
      const end = this.#requests.startTimer();
      const method = METHODS.includes(request.method) ? request.method : "other";
      const route = this.templateOf(request.path);
      response.on("close", () => {
        if (response.getHeader("content-type") === "text/event-stream") return;
        // The client left before its answer was out, so it never got the status.
        end({ method, route, status: response.writableFinished ? String(response.statusCode) : "aborted" });
      });
      next();
    };
  }

  /** The path as openapi.json has it, or "unmatched". Like Express, it ignores the case and a slash at the end. */
  templateOf(path: string): string {
    const plain = path.toLowerCase().replace(/(?<=.)\/$/, "");
    return this.#templates.has(plain) ? plain : "unmatched";
  }

  text(): Promise<string> {
    return Registry.merge([processMetrics(), this.#registry]).metrics();
  }

  /** GET /metrics in Prometheus' text format. */
  router(): Router {
    const router = Router();
    router
      .route("/metrics")
      .get(async (_request, response) => {
        const text = await this.text();
        response.set("Content-Type", this.#registry.contentType).set("Cache-Control", "no-store").send(text);
      })
      .all(methodNotAllowed("GET", "HEAD"));
    return router;
  }
}

function streamMetrics(registers: Registry[]): StreamMetrics {
  const counter = <Label extends string>(
    name: string,
    help: string,
    ...labelNames: Label[]
  ): Counter<Label> => new Counter({ name: `omniai_${name}_total`, help, labelNames, registers });
  const opened = counter("streams_opened", "Event streams accepted.");
  const closed = counter("streams_closed", "Event streams ended, by reason.", "reason");
  const dropped = counter("streams_dropped", "Clients dropped because they took too little.", "reason");
  const replayed = counter("events_replayed", "Events sent to clients that resumed.");
  const resets = counter("streams_reset", "Streams told to read their snapshot again, by reason.", "reason");
  const lag = new Histogram({
    name: "omniai_fan_out_lag_seconds",
    help: "From an event's id to its fan-out in this replica.",
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
    registers,
  });
  // Not in the histogram of requests, whose buckets end at 10 s.
  const duration = new Histogram({
    name: "omniai_stream_duration_seconds",
    help: "How long event streams were open, those that ended.",
    buckets: [0.1, 1, 5, 15, 60, 300, 600, 1800, 3600],
    registers,
  });
  const sent = counter("stream_sent_bytes", "Bytes sent to event streams, counted when they end.");
  // Set to 0 now: a rate over a counter that appears with its first value misses that value.
  for (const reason of ["client", "age", "draining", "busy", "slow", "stalled", "unfinished", "revoked"]) {
    closed.inc({ reason }, 0);
  }
  for (const reason of ["slow", "stalled"]) dropped.inc({ reason }, 0);
  for (const reason of ["trimmed", "epoch", "rollback", "unknown", "malformed"]) resets.inc({ reason }, 0);
  return {
    opened: () => opened.inc(),
    closed: (reason, ms, bytes) => {
      closed.inc({ reason: wordOr(reason, "other") });
      duration.observe(Math.max(0, ms) / 1000);
      sent.inc(Math.max(0, bytes));
    },
    dropped: (reason) => dropped.inc({ reason: wordOr(reason, "other") }),
    replayed: (events) => replayed.inc(Math.max(0, events)),
    reset: (reason, streams) => resets.inc({ reason: wordOr(reason, "other") }, Math.max(0, streams)),
    // The clocks of two machines differ: an event from the future is no negative lag.
    lag: (ms) => lag.observe(Math.max(0, ms) / 1000),
  };
}
