import type { Response } from "express";
import { internalApp, publicApp, type AppParts } from "./app.ts";
import type { Config } from "./config.ts";
import { describeStream } from "./diag/connections.ts";
import { Directory } from "./diag/directory.ts";
import { Admission } from "./events/admission.ts";
import { Hub } from "./events/hub.ts";
import type { EventsMetrics } from "./events/metrics.ts";
import { RecentEvents } from "./events/recent.ts";
import { LogReader } from "./events/reader.ts";
import { RedisEventLog } from "./events/redis-log.ts";
import { Streams } from "./events/streams.ts";
import { Checks } from "./health/checks.ts";
import { databaseCheck, eventsCheck, redisCheck } from "./health/dependencies.ts";
import { migrationsCheck } from "./migrate/check.ts";
import { loadMigrations } from "./migrate/files.ts";
import { routeTemplates } from "./openapi/document.ts";
import { pause, withDeadline } from "./platform/deadline.ts";
import { closeServer, listen, newServer } from "./platform/http.ts";
import type { Logger } from "./platform/logging.ts";
import { createPool } from "./platform/postgres.ts";
import { Metrics } from "./platform/prometheus.ts";
import { RedisLink } from "./platform/redis.ts";
import { ProviderMonitor } from "./providers/monitor.ts";
import { startCleanup } from "./reports/cleanup.ts";
import { PostgresReportStore } from "./reports/store.ts";

export interface Service {
  readonly port: number;
  readonly internalPort: number;
  readonly streams: Streams;
  readonly isReady: () => boolean;
  /**
   * Switch, drain, stop: not ready at once; serves on for the switch-over time; then accepts no more, takes leave of the
   * streams, lets what is under way finish, and closes what it holds. Calling it again gives the same promise.
   */
  stop(): Promise<void>;
}

export interface ServiceOptions {
  /** Who sees all of the diagnostics; nobody when left out. */
  readonly maySeeAll?: (response: Response) => boolean;
  /** Counts instead of /metrics what the events tell: for tests. */
  readonly eventsMetrics?: EventsMetrics;
  /** Gets what the apps are made of: for tests that look at their routes. */
  readonly onParts?: (parts: AppParts) => void;
}

/** Each replica tells the others how many streams it has after a random 0.7 to 1.3 of this, ms. */
const announceMs = 3000;
/** Most streams that a replica lists one by one: bounds what it puts into Redis while an operator looks. */
const listLimit = 5000;

/** Entries of the log read into memory at the start: bounded, because each may be as long as an event may be. */
const preloadLimit = 512;

/**
 * One replica without its process: both ports are open and it is live when this resolves; PostgreSQL and Redis may be
 * away still, it becomes ready when they are there.
 */
export async function startService(
  config: Config,
  logger: Logger,
  options: ServiceOptions = {},
): Promise<Service> {
  const { version, build, replica } = config;
  const metrics = new Metrics(routeTemplates, { version, build, replica });
  const counts = options.eventsMetrics ?? metrics.streams;
  const pool = createPool(config.postgres, `omniai-${config.replica}`, logger);
  const redis = new RedisLink(config.redis, `omniai-${config.replica}`, logger, {
    idleMs: 3000,
    isPinging: true,
  });
  const log = new RedisEventLog(config.events, config.redis, redis, logger);
  const hub = new Hub(
    new RecentEvents(config.events.replayCacheEvents, config.events.replayCacheBytes),
    counts,
  );
  const { readBlockMs: blockMs, coalesceMs, replayCacheEvents } = config.events;
  const preload = Math.min(preloadLimit, replayCacheEvents);
  const reader = new LogReader(log, hub, { blockMs, coalesceMs, preload }, logger);
  const streams = new Streams(config.events.heartbeatMs, (stream) => hub.heartbeat(stream), counts);
  const admission = new Admission({
    perProcess: config.events.maxStreams,
    perAddress: config.events.maxStreamsPerAddress,
    rate: config.events.connectRate,
    burst: config.events.connectBurst,
  });
  const { deadlineMs } = config.health;
  const migrations = loadMigrations();
  const checks = new Checks(
    [
      databaseCheck(pool, deadlineMs),
      migrationsCheck(pool, migrations, deadlineMs),
      redisCheck(redis, deadlineMs),
      eventsCheck(reader, blockMs),
    ],
    config.health,
    logger,
  );

  const reports = new PostgresReportStore(pool, config.replica, config.reports.maxRows);

  const providers = new ProviderMonitor(config.providers);
  const directory = new Directory(
    redis,
    {
      replica,
      max: config.events.maxStreams,
      size: () => streams.size,
      list: () =>
        [...streams].slice(0, listLimit).map((stream) => describeStream(stream, replica, hub.position)),
    },
    announceMs,
    logger,
  );

  let isDraining = false;
  let hasStarted = false;
  const isReady = (): boolean => {
    const isUp = checks.status !== "fail";
    hasStarted ||= isUp;
    return isUp && !isDraining;
  };
  const parts: AppParts = {
    health: {
      checks,
      version: config.version,
      build: config.build,
      replica: config.replica,
      isDraining: () => isDraining,
      hasStarted: () => isReady() || hasStarted,
    },
    diag: {
      config,
      pool,
      redis,
      reader,
      streams,
      checks,
      isDraining: () => isDraining,
      migrations,
      reports,
      providers,
      directory,
      maySeeAll: options.maySeeAll ?? (() => false),
    },
    reports: {
      store: reports,
      perMinute: config.reports.perMinute,
      bodyLimitBytes: config.bodyLimitBytes,
      logger,
    },
    events: {
      log,
      hub,
      streams,
      admission,
      metrics: counts,
      config: config.events,
      bodyLimitBytes: config.bodyLimitBytes,
      logger,
    },
    corsOrigins: config.corsOrigins,
    metrics,
    logger,
  };
  metrics.watch({ pool, isRedisReady: () => redis.isReady, isReady, streams, reader, checks });
  options.onParts?.(parts);
  const publicServer = newServer(publicApp(parts));
  const internalServer = newServer(internalApp(parts));
  const internalPort = await listen(internalServer, config.internalPort, config.host);
  const port = await listen(publicServer, config.port, config.host);

  redis.open();
  log.open();
  reader.start();
  checks.start();
  directory.start();
  const stopCleanup = startCleanup(reports, config.reports.cleanupMs, logger);
  logger.info({ port, internalPort, stack: config.stack, version: config.version }, "listening");

  async function stop(): Promise<void> {
    const { switchMs, drainMs, marginMs } = config.lifecycle;
    isDraining = true;
    streams.startDraining();
    logger.info({ switchMs, drainMs, streams: streams.size }, "draining: serving on for the switch-over");
    await pause(switchMs);
    logger.info({ streams: streams.size }, "accepting no more");
    const closing = closeServer(publicServer, drainMs + marginMs / 2);
    await streams.farewell(drainMs);
    // Streams have taken their connections from the server, which can cut the others only.
    const cut = setTimeout(() => streams.close(), marginMs / 2);
    const wasCut = await closing;
    clearTimeout(cut);
    streams.close();
    checks.stop();
    stopCleanup();
    providers.stop();
    await directory.stop();
    log.close();
    redis.close();
    await reader.stop();
    // A server that is away does not answer the good-bye either.
    await withDeadline("PostgreSQL", 500, pool.end()).catch(() => undefined);
    await closeServer(internalServer, 200);
    logger.info({ wasCut }, "stopped");
  }
  let stopping: Promise<void> | undefined;
  return { port, internalPort, streams, isReady, stop: () => (stopping ??= stop()) };
}
