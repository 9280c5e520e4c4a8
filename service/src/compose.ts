/** What a replica is made of: builds every part and connects them. Nothing here runs yet; service.ts starts and stops it. */
import type { RequestHandler, Response } from "express";
import type { AppParts } from "./app.ts";
import { Auth } from "./auth/auth.ts";
import { hasScope, principalOf } from "./auth/principal.ts";
import { describeStream } from "./diag/connections.ts";
import { UptimeRecord } from "./diag/uptime.ts";
import type { ReplicaRegistry } from "./diag/replica-registry.ts";
import { Admission } from "./events/http/admission.ts";
import { Backlog } from "./events/stream/backlog.ts";
import { LogReader } from "./events/stream/reader.ts";
import { RecentEvents } from "./events/stream/recent.ts";
import { Hub } from "./events/stream/hub.ts";
import type { EventsMetrics } from "./events/stream/metrics.ts";
import { RejectedStreams } from "./events/stream/rejected-streams.ts";
import { Streams } from "./events/stream/streams.ts";
import { Checks } from "./health/checks.ts";
import {
  databaseCheck,
  eventsCheck,
  lagCheck,
  redisCheck,
  redisMemoryCheck,
  sizeCheck,
} from "./health/dependencies.ts";
import { redisSettingsCheck } from "./health/redis-settings.ts";
import { migrationsCheck } from "./migrate/check.ts";
import { loadMigrations } from "./migrate/files.ts";
import { ROUTE_TEMPLATES } from "./openapi.ts";
import { ByteBudget } from "./platform/byte-budget.ts";
import type { Cleanable } from "./platform/cleanup.ts";
import type { Config } from "./platform/env/config.ts";
import type { Logger } from "./platform/logging.ts";
import { Metrics } from "./platform/prometheus.ts";
import { RateLimit } from "./platform/rate-limit.ts";
import { isByTls } from "./platform/redis.ts";
import { Push } from "./push/push.ts";
import type { PushReach } from "./push/endpoint.ts";
import { PushStore } from "./push/store.ts";
import { ProviderMonitor } from "./providers/monitor.ts";
import { Readiness } from "./readiness.ts";
import { reportsPerAddress } from "./reports/router.ts";
import { PostgresReportStore } from "./reports/store.ts";
import { connectedStores, type Stores } from "./stores.ts";

export interface CompositionOptions {
  /** Where things are kept; PostgreSQL and Redis by the configuration when left out. */
  readonly stores?: Stores;
  /** Who sees all of the diagnostics; left out, those with the scope diag:read. */
  readonly maySeeAll?: (response: Response) => boolean;
  /** Counts in place of /metrics what the events tell: for tests. */
  readonly eventsMetrics?: EventsMetrics;
  /** How push services are reached; left out, as anybody on the internet: for tests that have one of their own. */
  readonly pushReach?: PushReach;
  /** Serves the page beside the API, where no edge does. */
  readonly page?: RequestHandler;
  /** Refuses requests that are not for this service, where no edge does. */
  readonly guard?: RequestHandler;
}

/** The parts that have a life of their own, and what the two apps are made of. */
export interface Composition {
  readonly stores: Stores;
  readonly readiness: Readiness;
  readonly streams: Streams;
  readonly reader: LogReader;
  readonly checks: Checks;
  readonly auth: Auth;
  readonly providers: ProviderMonitor;
  readonly registry: ReplicaRegistry;
  readonly uptime: UptimeRecord;
  /** Undefined for a stack without web push. */
  readonly push: Push | undefined;
  /** What has to be cleaned up every now and then. */
  readonly cleanups: readonly {
    readonly what: string;
    readonly store: Cleanable;
    readonly everyMs: number;
  }[];
  readonly apps: AppParts;
}

/** The most streams that a replica lists one by one: bounds what it puts into Redis while an operator looks. */
const LIST_LIMIT = 5000;

/** No device was added under it. */
const NO_KEY = "";

/** Entries of the log read into memory at the start; their bytes are bounded as those of the memory are. */
const PRELOAD_LIMIT = 512;

export function compose(config: Config, logger: Logger, options: CompositionOptions): Composition {
  const { version, build, replica, bodyLimitBytes, bodyBytes } = config;
  const metrics = new Metrics(ROUTE_TEMPLATES, { version, build, replica });
  const counts = options.eventsMetrics ?? metrics.streams;
  const stores = options.stores ?? connectedStores(config, logger);
  const { pool, redis } = stores;

  const events = composeEvents(config, stores, counts, logger);
  const { hub, reader, streams } = events;
  // Half of it for one address: whoever sends too much leaves room for the others.
  const bodies = new ByteBudget({ total: bodyBytes, perHolder: Math.ceil(bodyBytes / 2) });
  const auth = new Auth(config, pool, stores.auth, logger);
  const migrations = loadMigrations();
  const checks = composeChecks(config, stores, { migrations, reader, hub }, logger);
  const readiness = new Readiness(checks);
  const isDraining = (): boolean => readiness.isDraining;
  const reports = new PostgresReportStore(pool, replica, config.reports);
  const uptime = new UptimeRecord(pool);
  const push = Push.of({
    ...{ config, pool, logger, redis: stores.auth.redis, reach: options.pushReach },
    count: metrics.countPush,
  });
  if (push) metrics.watchPush(() => push.parts.delivery.devices);
  const providers = new ProviderMonitor(config.providers);
  const registry = stores.registry({
    replica,
    max: config.events.maxStreams,
    size: () => streams.size,
    list: () =>
      [...streams].slice(0, LIST_LIMIT).map((stream) => describeStream(stream, replica, hub.position)),
  });
  const isReady = (): boolean => readiness.isReady;
  metrics.watch({ pool, redis, isReady, streams, reader, checks, bodies, providers, config });

  return {
    stores,
    readiness,
    streams,
    reader,
    checks,
    auth,
    providers,
    registry,
    uptime,
    push,
    cleanups: [
      { what: "client reports", store: reports, everyMs: config.reports.cleanupMs },
      ...auth.cleanups.map((each) => ({
        what: each.what,
        store: each,
        everyMs: config.auth.audit.cleanupMs,
      })),
      // Also where there is no web push any more: what is left of it are addresses that nobody needs.
      {
        what: "push rows",
        store: push?.store ?? new PushStore(pool, NO_KEY),
        everyMs: config.auth.audit.cleanupMs,
      },
    ],
    apps: {
      health: { checks, version, build, replica, isDraining, hasStarted: () => readiness.hasStarted },
      diag: {
        config,
        pool,
        redis,
        reader,
        streams,
        checks,
        isDraining,
        migrations,
        reports,
        providers,
        registry,
        uptime,
        maySeeAll: options.maySeeAll ?? ((response) => hasScope(principalOf(response), "diag:read")),
      },
      reports: {
        store: reports,
        perMinute: config.reports.perMinute,
        perAddress: reportLimit(config, stores),
        trustProxyHops: config.events.trustProxyHops,
        bodyLimitBytes,
        logger,
      },
      events: {
        ...events,
        log: stores.log,
        metrics: counts,
        config: config.events,
        auth,
        bodyLimitBytes,
        logger,
      },
      push: { push: push?.parts, auth, logger },
      bodies: {
        budget: bodies,
        limitBytes: bodyLimitBytes,
        trustProxyHops: config.events.trustProxyHops,
      },
      auth,
      corsOrigins: config.corsOrigins,
      metrics,
      page: options.page,
      guard: options.guard,
      logger,
    },
  };
}

function composeEvents(config: Config, { log }: Stores, counts: EventsMetrics, logger: Logger) {
  const { replayCacheEvents, replayCacheBytes, readBlockMs, coalesceMs } = config.events;
  const { heartbeatMs, maxStreams, backlogBytes, pollBytes } = config.events;
  const streams: Streams = new Streams(heartbeatMs, (stream) => hub.heartbeat(stream), counts);
  const backlog = new Backlog(backlogBytes, streams);
  const hub = new Hub(new RecentEvents(replayCacheEvents, replayCacheBytes), backlog, counts);
  const preload = Math.min(PRELOAD_LIMIT, replayCacheEvents);
  const options = { blockMs: readBlockMs, coalesceMs, preload, preloadBytes: replayCacheBytes };
  return {
    hub,
    reader: new LogReader(log, hub, options, logger),
    streams,
    // Half of it for one address, as for bodies.
    answers: new ByteBudget({ total: pollBytes, perHolder: Math.ceil(pollBytes / 2) }),
    rejectedStreams: new RejectedStreams(Math.max(100, Math.ceil(maxStreams / 4))),
    admission: new Admission({
      perProcess: maxStreams,
      perAddress: config.events.maxStreamsPerAddress,
      perUser: config.auth.maxStreamsPerUser,
      rate: config.events.connectRate,
      burst: config.events.connectBurst,
      // Half of it for one address: whoever comes too often leaves room for the others.
      ratePerAddress: config.events.connectRate / 2,
      burstPerAddress: Math.ceil(config.events.connectBurst / 2),
    }),
  };
}

function composeChecks(
  config: Config,
  { pool, redis, log }: Stores,
  parts: { migrations: ReturnType<typeof loadMigrations>; reader: LogReader; hub: Hub },
  logger: Logger,
): Checks {
  const { deadlineMs } = config.health;
  const checks = [
    databaseCheck(pool, deadlineMs),
    migrationsCheck(pool, parts.migrations, deadlineMs),
    ...(redis ? [redisCheck(redis, deadlineMs), redisMemoryCheck(redis, deadlineMs)] : []),
    ...(redis && isByTls(config.redis) ? [redisSettingsCheck(redis, deadlineMs, logger)] : []),
    eventsCheck(parts.reader, config.events.readBlockMs),
    lagCheck(parts.reader, parts.hub, log, config.health),
    sizeCheck(log, config.events),
  ];
  return new Checks(checks, config.health, logger);
}

function reportLimit(config: Config, { redis }: Stores): RateLimit {
  const points = reportsPerAddress(config.reports.perMinute);
  return new RateLimit({ name: "reports", points, windowSeconds: 60, batch: Math.ceil(points / 50) }, redis);
}
